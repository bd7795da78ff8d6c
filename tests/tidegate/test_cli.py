import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tidegate.cli import main


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_STATE", str(tmp_path / "state"))


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    text = capsys.readouterr().err
    assert "Traceback" not in text
    assert len(text.splitlines()) == 1
    return text


def test_a_misspelt_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIDEGATE_BROKR__URL", "kafka://x:1")

    assert main(["config"]) == 2
    assert "TIDEGATE_BROKR__URL" in complaint(capsys)


def test_a_wrong_value(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TIDEGATE_SCALING__TARGET_RATIO", "7")

    assert main(["config"]) == 2
    assert "TARGET_RATIO" in (said := complaint(capsys))
    assert "'7'" in said


def test_a_wrong_secret_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIDEGATE_API__TOKEN", "[1, 2]")
    monkeypatch.setenv("TIDEGATE_API__HOST", "10.0.0.1")

    assert main(["config"]) == 2
    assert "[1, 2]" not in complaint(capsys)


def test_a_taken_port(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("TIDEGATE_API__PORT", str(port))

        assert main(["up", "--duration", "1"]) == 1

    assert f"port {port} for the control API and page is taken" in complaint(capsys)


def test_a_fault_without_a_running_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fault", "freeze"]) == 1
    assert "a running `tidegate up` is missing" in complaint(capsys)


def test_every_setting_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config"]) == 0
    assert "TIDEGATE_SCALING__DRY_RUN" in capsys.readouterr().out


def test_topics_are_listed_with_their_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topics"]) == 0
    assert "tidegate.partials" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        pytest.param("ingest,wach", "unknown stage 'wach'", id="misspelt"),
        pytest.param("ingest:0", "ingest must run in 1 to 64 processes, got 0", id="none"),
        pytest.param("watch:two", "watch must run in 1 to 64 processes, got two", id="no-number"),
    ],
)
def test_stages_that_cannot_be_run(
    stages: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["worker", "--stages", stages])

    assert said in capsys.readouterr().err


def test_no_process_loads_detectors_that_does_not_detect() -> None:
    """They take 85 MB and a second; six of the seven stages have no use for them."""
    loaded = "import sys, tidegate.cli; print({'river', 'scipy', 'sklearn'} & sys.modules.keys())"
    said = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True
    )

    assert said.stdout == "set()\n"
