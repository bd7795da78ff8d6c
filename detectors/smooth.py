"""One noisy second in, the last few seconds' mean out: what a burst of one window cannot move."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from detectors.banks.base import Bools, Floats, Rows, cleared, grown


@dataclass(slots=True)
class SmoothState:
    """[row, column]; everything a checkpoint has to keep."""

    seen: Floats
    mean: Floats
    schema: Literal[2] = field(default=2, kw_only=True)


class Smooth:
    """Exponentially weighted mean with a short half-life, per series and column.

    half_life_s: by column; 0 leaves values as they are.
    zeros: by column, windows of 0 that a series is taken to have shown before its first; without
        any the first value is the mean.

    >>> smooth, row = Smooth(half_life_s=[1], step_s=1, zeros=np.zeros(1)), np.array([0])
    >>> for value in (0.0, 0.0):
    ...     smooth.learn(row, smooth.apply(row, np.array([[value]])), np.array([[True]]))
    >>> smooth.apply(row, np.array([[8.0]]))
    array([[4.]])
    """

    def __init__(self, *, half_life_s: Sequence[float], step_s: float, zeros: Floats) -> None:
        none = np.zeros((0, len(half_life_s)))
        self.state = SmoothState(none, none)
        self._weight = np.array([1 - 0.5 ** (step_s / one) if one else 1.0 for one in half_life_s])
        self._zeros = zeros + 1

    def admit(self, row: int) -> None:
        self.state = cleared(self.state, row)

    def apply(self, rows: Rows, values: Floats) -> Floats:
        """What the means are with these values ([row, column]) taken in. Changes nothing."""
        state = grown(self.state, rows)
        gain = np.maximum(self._weight, 1 / (state.seen[rows] + self._zeros))
        return np.asarray(state.mean[rows] + gain * (values - state.mean[rows]))

    def learn(self, rows: Rows, means: Floats, taken: Bools) -> None:
        """``means`` as applied of the values that are taken in."""
        state = self.state = grown(self.state, rows)
        state.mean[rows] = np.where(taken, means, state.mean[rows])
        state.seen[rows] += taken
