"""Microsoft's cloud monitoring data: one value a row and whether it is anomalous."""

from pathlib import Path

import numpy as np

from detectors.bench.labelled import Labelled, probation, runs, usual_step
from detectors.bench.sets.tables import columns, instants, numbers


def read(_: Path, path: Path, name: str) -> Labelled:
    texts, values, marks = columns(path, "TimeStamp", "Value", "Label")
    if not set(marks) <= {"0", "1"}:
        raise ValueError(f"Label must be 0 or 1, got {sorted(set(marks) - {'0', '1'})[0]!r}")
    times = instants(texts)
    return Labelled(
        name=name,
        times=times,
        step_s=usual_step(times),
        values=numbers(values),
        begin=probation(len(times)),
        windows=runs(np.array(marks) == "1"),
    )
