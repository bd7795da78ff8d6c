from typing import Any

import msgspec
import pytest

from benchmarks.ingest import table
from benchmarks.ingest.contenders import CONTENDERS
from benchmarks.ingest.drain import Drained, Size
from benchmarks.ingest.figures import percentile
from benchmarks.ingest.peer import PEERS
from benchmarks.ingest.steady import Line, Steady
from benchmarks.ingest.verdicts import latency_verdicts, verdicts


def run(per_s: float = 300_000, cpu: float = 3.0, **but: Any) -> Drained:
    """One million events."""
    usual: dict[str, Any] = {
        "events": 1_000_000,
        "seconds": 1e6 / per_s,
        "cpu_s": cpu,
        "rss_bytes": 100_000_000,
        "load": 0.5,
        "difference": "",
    }
    return Drained(**(usual | but))


def steady(**but: Any) -> Steady:
    usual: dict[str, Any] = {
        "line": Line(rate=10_000, metrics=18),
        "achieved_per_s": 10_000.0,
        "ingest_cores": 0.4,
        "watch_cores": 0.3,
        "ingest_rss_bytes": 1,
        "watch_rss_bytes": 1,
        "load": 0.5,
        "final_s": None,
        "provisional_s": None,
    }
    return Steady(**(usual | but))


def line_about(words: str, lines: list[str]) -> str:
    return next(line for line in lines if words in line)


@pytest.mark.parametrize(
    ("ours", "peer", "verdict"),
    [
        pytest.param(
            run(300_000, 3.0), run(100_000, 9.0),
            "reached by events/s (3.00 ×), reached by CPU (3.00 ×)", id="both",
        ),
        pytest.param(
            run(300_000, 3.0), run(200_000, 9.0),
            "**not reached** by events/s (1.50 ×), reached by CPU (3.00 ×)", id="only-by-cpu",
        ),
    ],
)  # fmt: skip
def test_a_ratio_is_judged_by_rate_and_by_cpu(ours: Drained, peer: Drained, verdict: str) -> None:
    found = line_about("bytewax", verdicts({"tidegate": [ours], "bytewax": [peer]}))

    assert found == f"≥ 2 × bytewax: {verdict}"


def test_what_was_not_measured_is_not_judged() -> None:
    lines = verdicts({"tidegate": [run()]})

    assert line_about("quix", lines) == "≥ 15 × quix: not measured"


def test_the_median_is_judged_and_the_spread_told() -> None:
    runs = [run(cpu=3.0), run(cpu=9.0), run(cpu=3.1)]

    found = line_about("per million", verdicts({"tidegate": runs}))

    assert found == "tidegate ≤ 3.2 CPU s per million: reached (3.10 (3.00–9.00))"


def test_who_is_wrong_does_not_go_unnoticed() -> None:
    wrong = run(difference="1 of 9 windows differ, +5 events missing")

    found = line_about("equal", verdicts({"quix": [run(), wrong], "floor": [run(difference=None)]}))

    assert "**not reached** (quix: 1 of 9 windows differ, +5 events missing)" in found


@pytest.mark.parametrize(
    ("result", "verdict"),
    [
        pytest.param(steady(), "INGEST ≤ 0.5 cores: reached", id="within"),
        pytest.param(steady(ingest_cores=0.6), "cores: **not reached**", id="more-cores"),
        pytest.param(
            steady(achieved_per_s=9_000.0), "cores: **not reached**", id="not-at-the-rate"
        ),
        pytest.param(steady(final_s=(3.0, 4.1)), "+ 1 s): **not reached** (4.10 s)", id="too-slow"),
    ],
)
def test_steady_loads_are_judged(result: Steady, verdict: str) -> None:
    assert any(verdict in line for line in latency_verdicts({"gpus": result}))


@pytest.mark.parametrize(
    ("share", "expected"),
    [pytest.param(0.5, 1.0, id="median"), pytest.param(0.991, 3.0, id="tail")],
)
def test_percentiles_count_events_not_windows(share: float, expected: float) -> None:
    assert percentile([3.0, 1.0], [1, 99], share) == expected


def test_a_contender_that_did_not_run_keeps_its_row() -> None:
    lines = table.contenders({"floor": [run()]})

    assert len(lines) == 2 + len(CONTENDERS)
    assert "not measured" in line_about("Bytewax", lines)


def test_ratios_compare_only_like_messages() -> None:
    found = table.ratios(
        {
            "tidegate": [run(300_000, 3.0)],
            "faust": [run(10_000, 100.0)],
            "floor-frames": [run()],
        }
    )

    assert found["faust"] == {"events_per_s": pytest.approx(30.0), "cpu": pytest.approx(100 / 3)}
    assert "floor-frames" not in found


def test_the_machine_is_described_by_load_and_floor() -> None:
    text = table.machine({"floor": [run(400_000, load=1.5)]}, 2, Size(events=1))

    assert "load average before a run 1.5" in text
    assert "the floor read 400 (400–400) thousand/s" in text


def test_results_survive_their_file() -> None:
    for result in (run(), steady(final_s=(1.0, 2.0))):
        assert msgspec.json.decode(msgspec.json.encode(result), type=type(result)) == result


def test_every_peer_has_its_script() -> None:
    named = {contender.script for contender in CONTENDERS.values() if contender.script}

    assert {path.name for path in PEERS.glob("*.py")} - {"report.py"} == named
