"""Numenta Anomaly Benchmark: one value a row, windows of all files in one JSON."""

import json
from pathlib import Path
from typing import Final

from detectors.bench.labelled import Labelled, places, probation, usual_step
from detectors.bench.sets.tables import columns, instant, instants, numbers

LABELS: Final = "labels/combined_windows.json"


def read(home: Path, path: Path, name: str) -> Labelled:
    labels = json.loads((home / LABELS).read_text(encoding="utf-8"))
    key = path.relative_to(home / "data").as_posix()
    if key not in labels:
        raise ValueError(f"{LABELS} must have an entry for it, and has none")
    texts, values = columns(path, "timestamp", "value")
    times = instants(texts)
    return Labelled(
        name=name,
        times=times,
        step_s=usual_step(times),
        values=numbers(values),
        begin=probation(len(times)),
        windows=places(times, [(instant(first), instant(last)) for first, last in labels[key]]),
    )
