"""Who held GPUs without work, from samples through windows and the store to a line."""

from pathlib import Path

import pytest

from streams.schemas.telemetry import GpuSample
from streams.settings import SinkSettings
from streams.sinks.embedded import EmbeddedSink
from streams.sinks.points import window_points
from streams.windows.delta import to_table
from tests.streams.samples import T0
from tidegate.cli import main

INTERVAL_US = 10_000_000


def store(folder: Path, *samples: GpuSample) -> str:
    path = str(folder / "a.db")
    sink = EmbeddedSink.from_settings(SinkSettings(embedded_path=path))
    assert sink
    sink.write(window_points(to_table("gpu", samples, interval_us=INTERVAL_US), interval_s=10))
    sink.close()
    return path


def sample(window: int, gpu: str, idle_s: float, owner: str) -> GpuSample:
    at_us = T0 + window * INTERVAL_US
    return GpuSample(at_us=at_us, node="n1", gpu_uuid=gpu, held_idle_s=idle_s, owner=owner)


def test_hours_by_owner(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    idle = [
        sample(window, gpu, 600.0 + window, owner)
        for window in range(36)
        for gpu, owner in (("a", "ml/chat"), ("b", "ml/chat"), ("c", ""))
    ]
    path = store(tmp_path, *idle, sample(0, "d", 599.0, "ml/busy"), sample(1, "d", 0.0, "ml/busy"))

    assert main(["stranded", path]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "      0.20      2 GPUs  ml/chat",
        "      0.10      1 GPUs  (unknown)",
    ]
    assert main(["stranded", path, "--idle", "620"]) == 0
    assert "0.09      2 GPUs  ml/chat" in capsys.readouterr().out
    assert main(["stranded", path, "--since", "2099-01-01"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["none"]


def test_a_store_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stranded", str(tmp_path / "no.db")]) == 2
    assert "STORE must be the SQLite file of a store that exists" in capsys.readouterr().err
