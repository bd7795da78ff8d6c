import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from detectors.banks.ensemble import LASTING
from detectors.bench.peers import PEERS
from tests.detectors.bench.files import write_arrays, write_cloud, write_nab
from tidegate.bench import detect_run
from tidegate.cli import main


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect_run, "STEPS", {1: 20, 5: 20})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for at in range(3):
        write_arrays(tmp_path / "data/smd" / f"{at}.npz")
        write_cloud(tmp_path / "data", name=f"{at}.csv")
    window = ["2020-01-03 00:00:00", "2020-01-03 05:00:00"]
    write_nab(tmp_path / "data", windows={"real/a.csv": [window]})
    return tmp_path / "data"


def bench(data: Path, *words: str) -> tuple[int, dict[str, Any]]:
    out = data.parent / "out.json"
    code = main(["bench", "detect", "--data", str(data), "--json", str(out), *words])
    return code, json.loads(out.read_text())


@pytest.mark.slow
def test_every_set_is_judged(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = bench(data, "--peers", "ewma_all,river_sad")

    assert code == 0
    assert list(report["sets"]) == ["ms_cloud", "nab", "smd"]
    cloud = report["sets"]["ms_cloud"]["measures"]["recall_0.3"]
    assert cloud["tidegate"]["files"]["ms_cloud/real/0.csv"]["of"] == 1.0
    members = {f"tidegate: {name}" for name in ("fast", *LASTING)}
    assert {"tidegate", "ewma_all", "river_sad"} | members == set(cloud)
    assert "### smd: 3 files, 480 rows, 3 events" in capsys.readouterr().out


@pytest.mark.slow
def test_a_set_too_wide_for_a_peer_goes_without_it(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = replace(PEERS["ewma_all"], columns=1)
    monkeypatch.setattr(detect_run, "PEERS", {"ewma_all": narrow})

    _, report = bench(data, "--peers", "ewma_all")

    measures = {name: of_set["measures"] for name, of_set in report["sets"].items()}
    assert "ewma_all" in measures["ms_cloud"]["vus_pr"]
    assert "ewma_all" not in measures["smd"]["vus_pr"]


@pytest.mark.slow  # each process loads River and scikit-learn
def test_two_processes_give_the_same_figures_as_one(data: Path) -> None:
    _, one = bench(data, "--peers", "neighbour")
    _, two = bench(data, "--peers", "neighbour", "--jobs", "2")
    assert one.pop("timings") != two.pop("timings")
    assert json.dumps(one) == json.dumps(two)


@pytest.mark.slow
def test_a_bad_file_is_named_and_tells_in_the_exit_code(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "smd/3.npz").write_text("?")

    code, report = bench(data, "--no-peers")

    assert code == 1
    assert [refused["file"] for refused in report["refused"]] == ["smd/3.npz"]
    assert len(report["sets"]["smd"]["files"]) == 3
    assert "smd/3.npz: must be arrays" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["--data", "nowhere"], "--data must be a directory", id="no-data"),
        pytest.param(["--data", ".", "--json", "no/x.json"], "in a directory", id="no-place"),
        pytest.param(["--data", ".", "--jobs", "0"], "--jobs must be 1 or more", id="no-jobs"),
        pytest.param(["--data", ".", "--peers", "me"], "--peers must be of ewma", id="no-peer"),
    ],
)
def test_wrong_words_are_errors(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "detect", *words]) == 2
    assert said in capsys.readouterr().err
