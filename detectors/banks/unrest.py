"""How much values move, against how much they used to move."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np

from detectors.banks.base import Floats, Reading, Rows, bounded, cleared, grown
from detectors.standing import matrix
from streams.errors import InvalidParameterError

BACK: Final = 3
"""A change is against so many windows ago: slower than noise, faster than a day."""
YOUNG: Final = 10
"""Windows before which a series has no usual unrest."""
MOST: Final = 30.0
"""A column counts at most so many times its usual unrest, and teaches at most a third of it."""
HUGE: Final = 1e100
NOTHING: Final = 1e-6
"""Least unrest believed, in the unit of the value."""


@dataclass(slots=True)
class UnrestState:
    """One row per series; everything a snapshot has to keep."""

    seen: Floats
    """[row, column]"""
    last: Floats
    """[row, windows ago less one, column]: values"""
    unrest: Floats
    """[row, column]: mean square of the last changes"""
    usual: Floats
    """and over the long past."""
    schema: Literal[2] = field(default=2, kw_only=True)


class UnrestBank:
    """Unrest of all values against their usual unrest.

    A column's unrest is the root mean square of its changes over three windows, exponentially
    weighted over the last few; what is missing (NaN) does not move.
    ``score = mean over columns of unrest / usual unrest / boundary``. A load that steps or a
    service that flaps shows in many columns a little: their mean tells.

    boundary: times the usual unrest that becomes 1.0.
    half_life: windows after which a change counts half.
    memory: windows after which what is usual counts half.

    >>> bank, row = UnrestBank(memory=1000), np.array([0])
    >>> for level in [1.0, 1.1, 0.9, 1.0] * 50:
    ...     bank.learn(row, np.array([level]))
    >>> [round(float(bank.score(row, np.array([x]))[0]), 1) for x in (1.0, 3.0)]
    [0.2, 2.1]
    """

    def __init__(
        self, *, boundary: float = 4.0, half_life: float = 2.0, memory: float = 50_000.0
    ) -> None:
        for name, value in (("boundary", boundary), ("half_life", half_life), ("memory", memory)):
            if value <= 0:
                raise InvalidParameterError(name, value, "more than 0")
        self._boundary = boundary
        self._fresh = 1 - 0.5 ** (1 / half_life)
        self._gain = 1 - 0.5 ** (1 / memory)
        none = np.zeros((0, 0))
        self.state = UnrestState(none, np.zeros((0, BACK, 0)), none, none)

    def admit(self, row: int, labels: Mapping[str, str]) -> None:  # noqa: ARG002
        self.state = cleared(self.state, row)

    def score(self, rows: Rows, values: Floats) -> Floats:
        return bounded(self._ratios(rows, matrix(values)).mean(axis=1) / self._boundary)

    def explain(self, rows: Rows, values: Floats) -> Reading:
        columns = matrix(values)
        at = np.arange(rows.size), self._ratios(rows, columns).argmax(axis=1)
        before = _reaching(self.state, rows, columns).last[rows, -1][at]
        nowhere = np.full(rows.size, np.inf)
        above = columns[at] > before
        return Reading(self.score(rows, values), before, -nowhere, nowhere, above, at[1])

    def learn(self, rows: Rows, values: Floats, weights: Floats | float = 1.0) -> None:
        columns = matrix(values)
        state = self.state = _reaching(self.state, rows, columns)
        unrest, usual = self._unrest(state, rows, columns), state.usual[rows]
        known, young = np.isfinite(columns), state.seen[rows] < YOUNG
        most = np.where(young, np.inf, (MOST / 3) ** 2 * np.maximum(usual, NOTHING**2))
        weight = np.reshape(weights, (-1, 1))
        gain = known * weight * np.maximum(self._gain, 1 / (state.seen[rows] + 1))
        state.usual[rows] += gain * (np.minimum(unrest, most) - usual)
        state.unrest[rows] = np.where(weight > 0, unrest, state.unrest[rows])
        taken = np.where(known, np.clip(columns, -HUGE, HUGE), state.last[rows, 0])[:, None]
        shifted = np.concatenate([taken, state.last[rows, :-1]], axis=1)
        first = state.seen[rows][:, None] == 0
        shifted = np.where(first, taken, shifted)
        state.last[rows] = np.where(weight[:, None] > 0, shifted, state.last[rows])
        state.seen[rows] += known

    def _unrest(self, state: UnrestState, rows: Rows, values: Floats) -> Floats:
        change = np.clip(values, -HUGE, HUGE) - state.last[rows, -1]
        change = np.where((state.seen[rows] >= BACK) & np.isfinite(values), change, 0.0)
        return np.asarray(state.unrest[rows] + self._fresh * (change**2 - state.unrest[rows]))

    def _ratios(self, rows: Rows, values: Floats) -> Floats:
        """[row, column]: how many times its usual unrest."""
        state = _reaching(self.state, rows, values)
        usual = np.maximum(np.sqrt(state.usual[rows]), NOTHING)
        ratios = np.minimum(np.sqrt(self._unrest(state, rows, values)) / usual, MOST)
        return np.where(state.seen[rows] < YOUNG, 0.0, ratios)


def _reaching(state: UnrestState, rows: Rows, values: Floats) -> UnrestState:
    """The state with ``rows`` existing and as many columns as the values have."""
    state = grown(state, rows)
    if state.usual.shape[1] == values.shape[1]:
        return state
    shape = state.seen.shape[0], values.shape[1]
    last = np.zeros((shape[0], BACK, shape[1]))
    seen, unrest, usual = (np.zeros(shape) for _ in range(3))
    return replace(state, seen=seen, last=last, unrest=unrest, usual=usual)
