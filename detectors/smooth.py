"""One noisy second in, the last few seconds' mean out: what a burst of one window cannot move."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from detectors.banks.base import Floats, Rows, cleared, grown


@dataclass(slots=True)
class SmoothState:
    """One row per series; everything a checkpoint has to keep."""

    seen: Floats
    mean: Floats
    schema: Literal[1] = field(default=1, kw_only=True)


class Smooth:
    """Exponentially weighted mean with a short half-life, per series.

    half_life_s: 0 leaves values as they are.
    zeros: windows of 0 that a series is taken to have shown before its first; without any the
        first value is the mean.

    >>> smooth, row = Smooth(half_life_s=1, step_s=1), np.array([0])
    >>> smooth.learn(row, np.array([0.0]))
    >>> smooth.learn(row, np.array([0.0]))
    >>> smooth.apply(row, np.array([8.0]))
    array([4.])
    """

    def __init__(self, *, half_life_s: float, step_s: float, zeros: float = 0.0) -> None:
        self.state = SmoothState(np.zeros(0), np.zeros(0))
        self._weight = 1 - 0.5 ** (step_s / half_life_s) if half_life_s > 0 else 1.0
        self._zeros = zeros + 1

    def admit(self, row: int) -> None:
        self.state = cleared(self.state, row)

    def apply(self, rows: Rows, values: Floats) -> Floats:
        """What the mean is with these values taken in. Changes nothing."""
        state = grown(self.state, rows)
        gain = np.maximum(self._weight, 1 / (state.seen[rows] + self._zeros))
        return state.mean[rows] + gain * (values - state.mean[rows])

    def learn(self, rows: Rows, values: Floats) -> None:
        means = self.apply(rows, values)
        state = self.state = grown(self.state, rows)
        state.mean[rows] = means
        state.seen[rows] += 1
