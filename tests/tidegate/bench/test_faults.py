import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.laboratory import trial
from detectors.laboratory.cluster import drawn_cluster
from tidegate.cli import main

pytestmark = pytest.mark.slow  # a laboratory is built for each test

FAULT = """
from detectors.laboratory.fault import Drivers, Fault, Place

def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    {does}

FAULT = Fault(name="{name}", kind="{kind}", magnitudes=(60.0,), lasts_s=40, subjects={subjects},
              causes={causes}, drive=drive)
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two files of somebody else; and detectors with little of a past."""
    monkeypatch.setattr(trial, "BEFORE_S", 60)
    monkeypatch.setattr(trial, "ONSET_S", 5)
    hang = FAULT.format(
        name="strange_hang",
        kind="hard",
        does="drivers.up[place.since, place.replica] = 0",
        subjects='("replica",)',
        causes='("replica_frozen",)',
    )
    calm = FAULT.format(name="calm", kind="benign", does="pass", subjects="()", causes="()")
    (tmp_path / "strange_hang.py").write_text(hang)
    (tmp_path / "calm.py").write_text(calm)
    return tmp_path


def bench(directory: Path, *words: str) -> dict[str, Any]:
    out = directory / "out.json"
    words = ("--clusters", "1", "--quiet-hours", "0", *words)
    assert main(["bench", "faults", "--faults", str(directory), "--json", str(out), *words]) == 0
    report: dict[str, Any] = json.loads(out.read_text())
    return report


def test_a_strange_fault_is_found_named_and_timed(directory: Path) -> None:
    report = bench(directory)

    hang = next(one for one in report["curves"] if one["fault"] == "strange_hang")
    assert (hang["found"], hang["right_subject"], hang["right_cause"]) == (1, 1, 1)
    assert hang["p95_s"] <= 6
    assert (report["benign_trials"], report["benign_paged"]) == (1, [])


def test_the_same_seed_gives_the_same_bytes(directory: Path) -> None:
    bench(directory, "--seed", "3")
    once = (directory / "out.json").read_bytes()
    bench(directory, "--seed", "3")

    assert (directory / "out.json").read_bytes() == once


def test_quiet_time_is_not_claimed_before_there_is_enough(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trial, "HOUR_S", 60)

    report = bench(directory, "--no-faults", "--quiet-hours", "1", "--quiet-teams", "2")

    assert report["trials"] == []
    assert report["quiet"]["claimed"] is False
    # An hour has a minute here, and every team has it.
    assert report["quiet"]["team_days"] == 2 / 24
    assert "not enough to claim" in capsys.readouterr().out


def test_teams_that_share_a_cluster_have_pools_tenants_and_replicas_of_their_own() -> None:
    cluster = drawn_cluster(np.random.default_rng(1), teams=3)

    alone = drawn_cluster(np.random.default_rng(1))
    assert len({one.name for one in cluster.services}) == 6
    assert len(set(cluster.replica_names)) == cluster.size > 3 * 8
    assert cluster.replica_names[: alone.size] == alone.replica_names


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["--quiet-teams", "0"], "--quiet-teams must be 1 or more", id="no-team"),
        pytest.param(["--only", "nosuch"], "--only must be of", id="a-fault-that-is-not-there"),
        pytest.param(["--jobs", "0"], "--jobs must be 1 or more", id="nobody-to-do-it"),
        pytest.param(["--json", "no/where.json"], "in a directory", id="nowhere-to-write"),
    ],
)
def test_what_cannot_be_done_is_refused(
    directory: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "faults", "--faults", str(directory), *words]) == 2
    assert said in capsys.readouterr().err


def test_without_the_files_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["bench", "faults"]) == 2
    assert "benchmarks/faults" in capsys.readouterr().err
