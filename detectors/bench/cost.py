"""What a value costs when many series are stepped together, everything on and warmed up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.banks.base import Floats
from detectors.bench.labelled import Labelled, filled
from detectors.bench.ours import MakeJudge

STEPS: Final[dict[int, int]] = {1: 4000, 100: 2000, 10_000: 400}
"""Series -> windows; the first half of them warms up."""
BLOCKS: Final = 10
STEP_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU time in µs a value: the median block of windows, the cheapest and the dearest."""

    us: float
    lowest: float
    highest: float


def cost(make: MakeJudge, values: Floats, clock: Callable[[], float], seed: int) -> Cost:
    """Of values float64[windows, series], a column a series of its own; clock: CPU seconds."""
    judge, rows = make(step_s=STEP_S, seed=seed), np.arange(values.shape[1])
    half = len(values) // 2
    for row in values[:half]:
        judge.step(rows, row[:, None])
    spent = []
    for block in np.array_split(values[half:], BLOCKS):
        start = clock()
        for row in block:
            judge.step(rows, row[:, None])
        spent.append((clock() - start) * 1e6 / block.size)
    return Cost(float(np.median(spent)), min(spent), max(spent))


def many_series(files: Sequence[Labelled], series: int, windows: int, seed: int) -> Floats:
    """Stretches of the files' columns, drawn by chance; float64[windows, series]."""
    rng = np.random.default_rng(seed)
    columns = [column for file in files for column in filled(file.values).T]
    drawn = [columns[at] for at in rng.integers(0, len(columns), series)]
    starts = [int(rng.integers(0, len(column))) for column in drawn]
    picks = np.arange(windows)
    pairs = zip(drawn, starts, strict=True)
    return np.stack([column[(start + picks) % len(column)] for column, start in pairs], axis=1)
