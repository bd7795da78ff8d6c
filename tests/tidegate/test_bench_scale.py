import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from streams.errors import InvalidParameterError
from tests.autoscaler.backtest.test_trace import META
from tidegate.bench.scale_curves import curves_of
from tidegate.bench.scale_parts import parts, parts_of
from tidegate.bench.scale_report import agreement, markdown, runs_of_others
from tidegate.bench.scale_run import Options, Report, Row, limits_of, play


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One short trace, and one of tenants that is none of a pool."""
    rng = np.random.default_rng(1)
    arrival_s = np.sort(rng.uniform(0, 600, 900))
    prompt, output = rng.integers(10, 90, 900), rng.integers(1, 4, 900)
    file = tmp_path / "short.npz"
    np.savez(file, t=arrival_s, in_tok=prompt, out_tok=output, resolution_s=0.0, meta=META)
    np.savez(tmp_path / "tenants.npz", dsec=np.zeros(3))
    return tmp_path


def test_every_run_is_kept_and_not_run_again(folder: Path) -> None:
    options = Options(data=folder, file=folder / "runs.json", only=("clairvoyant", "hpa", "keda"))
    said: list[str] = []

    first = play(options, said.append)
    again = play(options, said.append)

    assert len(first.rows) == 3 * (8 + 4 + 4)
    assert again.rows == first.rows
    assert said[-1] == "0 runs to go, 48 are in the file"
    assert first.refused == ["tenants.npz"]


def test_batching_replicas_are_a_run_of_their_own(folder: Path) -> None:
    options = Options(data=folder, file=folder / "runs.json", only=("clairvoyant", "hpa"))
    slots = play(options, print)

    report = play(replace(options, simulator="batching", usual=True), print)

    assert {row.contender for row in report.rows} == {"hpa"}, "a plan for slots is no bound there"
    assert {row.simulator for row in report.rows} == {"batching"}
    assert play(options, print).rows == slots.rows
    assert any(line.startswith("| hpa | 0.7 |") for line in markdown(report))


def row(contender: str, setting: float, gpu_hours: float, missed_ratio: float, **but: str) -> Row:
    return Row(
        trace=but.get("trace", "a"),
        contender=contender,
        setting=setting,
        cold_start_s=30,
        tick_s=15,
        requests=1_000,
        gpu_hours=gpu_hours,
        missed_ratio=missed_ratio,
        reversals=3,
        worst_ratio=0.1,
        replicas_max=9,
        cpu_s=0.1,
    )


PLANS = ("clairvoyant", "clairvoyant_calm", "known_rate")
ROWS = [
    row("clairvoyant", 15.0, 100.0, 0.001),
    row("clairvoyant", 1.0, 90.0, 0.01),
    row("hindsight", 1.0, 95.0, 0.01),
    row("hindsight", 1.3, 120.0, 0.001),
    row("hpa", 0.4, 150.0, 0.001),
    row("hpa", 0.7, 120.0, 0.01),
    row("hpa", 0.85, 100.0, 0.04),
    row("tidegate", 0.01, 99.0, 0.01),
]


def test_the_cheapest_setting_that_misses_at_most_1_percent_comes_first() -> None:
    lines = markdown(Report(list(ROWS)))

    assert next(line for line in lines if line.startswith("| hpa |")).startswith(
        "| hpa | 0.7 | 1.200"
    )
    assert not any(line.startswith("| hpa | 0.85") for line in lines)


def test_misses_are_made_equal_before_hours_are_compared() -> None:
    lines = markdown(Report(list(ROWS)))

    assert "| hpa | 1.500 | 1.387 | 1.333 | 1.222 |" in lines
    line = "| a | 30 s | tidegate | 0.01 | 99.0 | 1.00 % | 1.100 | 1.042 | 0.990 |"
    assert f"{line}  | 10 % | 10 % | 3 | 3 |" in lines
    assert "| a | 30 s | clairvoyant | 100.0 | 93.0 | 90.0 | 90.0 |" in lines
    assert "| a | 30 s | tidegate |  |  | 99.0 | 99.0 |" in lines


def test_runs_of_others_are_held_against_ours() -> None:
    known = {
        "trace": "a",
        "policy": "hpa_util",
        "setting": 0.7,
        "cold_start_s": 30,
        "gpu_hours": 118.0,
        "over_slo_pct": 0.85,
    }

    lines = agreement(Report(list(ROWS)), runs_of_others(json.dumps([known]).encode()))

    assert lines[-1] == "| hpa | 1 | +1.69 % | +0.150 points | 1 |"


def test_their_clairvoyant_is_a_bound_of_its_own() -> None:
    known = {"trace": "a", "policy": "oracle", "setting": 0.001, "cold_start_s": 30}
    told = runs_of_others(json.dumps([known | {"gpu_hours": 110.0, "over_slo_pct": 0.1}]).encode())

    lines = markdown(Report(list(ROWS)), told)

    assert "| tidegate | 0.01 | 0.990 | 0.900 | 1.00 % | 10 % | 3 |" in lines
    assert any("| 1.100 | 1.042 | 0.990 | 0.900 | 10 %" in line for line in lines)


def test_what_is_paid_beyond_the_bound_is_told_apart() -> None:
    rows = [
        *ROWS,
        msgspec.structs.replace(row("clairvoyant_calm", 300.0, 91.0, 0.01), reversals=9),
        msgspec.structs.replace(row("clairvoyant_calm", 600.0, 92.0, 0.01), reversals=3),
        msgspec.structs.replace(row("clairvoyant_calm", 1_200.0, 94.0, 0.01), reversals=1),
        row("known_rate", 1.0, 96.0, 0.01),
    ]
    bound, calm, rate = ([r for r in rows if r.contender == name] for name in PLANS)

    found = parts_of(row("tidegate", 0.01, 99.0, 0.01), calm, bound, rate)

    assert found == pytest.approx((90.0, 2.0, 4.0, 3.0))
    line = next(line for line in parts(curves_of(rows)) if line.startswith("| a |"))
    assert line.startswith("| a | 30 s | 99.0 | 90.0 | +2 % | +4 % | +3 % |")


@pytest.mark.parametrize("text", ["a", "a=1", "a=0:3", "a=5:3", "a=x:y"])
def test_limits_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InvalidParameterError, match="FIRST"):
        limits_of(text)


def test_a_folder_without_traces_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match="--data"):
        play(Options(data=tmp_path), print)
