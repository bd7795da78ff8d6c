"""Files with events, made by formula; what the scores of them are was computed elsewhere."""

import numpy as np

from detectors.banks.base import Floats
from detectors.bench.labelled import Labelled, Windows, probation

ROWS = 900
STEP_S = 1800.0
TIMES = np.arange(ROWS, dtype=np.float64) * STEP_S
EVENTS: Windows = ((250, 299), (425, 449), (700, 700), (750, 774))


def labelled(name: str = "a", windows: Windows = EVENTS, values: Floats | None = None) -> Labelled:
    return Labelled(
        name=name,
        times=TIMES,
        step_s=STEP_S,
        values=np.zeros((ROWS, 1)) if values is None else values,
        begin=probation(ROWS),
        windows=windows,
    )


def score(kind: int) -> Floats:
    """Noise that is somewhat higher behind the begin of each of ``EVENTS``."""
    at = np.arange(ROWS)
    late = np.roll(labelled().label, 3)
    noise = np.abs(np.sin(at * (0.7 + kind)))
    return np.asarray(np.round(noise + 0.8 * late * np.abs(np.cos(at * 0.3)), 2), np.float64)
