"""Files of the labelled sets, small."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from detectors.banks.base import Floats

START = datetime(2020, 1, 1, tzinfo=UTC)
HOUR, DAY = 3600.0, 86_400.0
ROWS = 100


def write_arrays(path: Path, train: Floats | None = None) -> None:
    """60 rows to learn from, 100 to be judged on, of which 10 are an event that can be seen."""
    rng = np.random.default_rng(1)
    test, label = rng.normal(size=(ROWS, 3)), np.zeros(ROWS, np.int8)
    label[40:50], test[40:50] = 1, 8
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path, train=rng.normal(size=(60, 3)) if train is None else train, test=test, label=label
    )


def write_cloud(
    data: Path,
    *,
    name: str = "a.csv",
    values: Sequence[str] | None = None,
    labels: str = "0" * 60 + "1" * 5 + "0" * 35,
    head: str = "TimeStamp,Value,Label",
    step_s: float = HOUR,
) -> str:
    """Name of the file below ``data``."""
    values = _seen(labels) if values is None else values
    times = _times(len(values), step_s)
    rows = [",".join(row) for row in zip(times, values, labels, strict=False)]
    return _written(data, f"ms_cloud/real/{name}", [head, *rows])


def write_nab(
    data: Path, *, windows: Mapping[str, Sequence[Sequence[str]]], name: str = "a.csv"
) -> str:
    rows = [",".join(row) for row in zip(_times(ROWS, HOUR), _seen("0" * ROWS), strict=True)]
    labels = json.dumps(windows)
    _written(data, "nab/labels/combined_windows.json", [labels])
    return _written(data, f"nab/data/real/{name}", ["timestamp,value", *rows])


def _seen(labels: str) -> list[str]:
    """Values that are far out where the label is 1."""
    noise = np.random.default_rng(2).normal(size=len(labels))
    return [
        f"{value + 20 * (label == '1'):.3f}" for value, label in zip(noise, labels, strict=True)
    ]


def _times(rows: int, step_s: float) -> list[str]:
    return [f"{START + timedelta(seconds=at * step_s):%Y-%m-%d %H:%M:%S}" for at in range(rows)]


def _written(data: Path, name: str, lines: Sequence[str]) -> str:
    path = data / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return name
