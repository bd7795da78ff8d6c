"""Where values stand in the long past of their series: the ground that banks on windows share."""

from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np

from detectors.banks.base import Floats, Rows, grown

LAGS: Final = (0, 1, 3)
"""A point holds the values of so many windows ago: how they move tells as much as where they are."""
YOUNG: Final = 10
"""Windows before which a series has no spread to speak of."""
FARTHEST: Final = 20.0
"""A value stands at most so many spreads out: beyond, there is nothing to tell apart."""
CUT: Final = 5.0
"""What lies farther out teaches as if it lay there: an outage must not become the yardstick."""
LEAST: Final = 1e-2
"""Least spread believed, as a share of the mean."""
NOTHING: Final = 1e-9
"""Least spread believed at all."""


@dataclass(slots=True)
class StandingState:
    """One row per series; everything a snapshot has to keep."""

    seen: Floats
    mean: Floats
    """[row, column], as the spread's square:"""
    variance: Floats
    recent: Floats
    """[row, windows ago less one, column]: where the last windows stood."""
    schema: Literal[1] = field(default=1, kw_only=True)


class Standing:
    """Distance of each value from a slow mean in units of a slow spread, now and some windows ago.

    ``z = (x - mean) / spread``, both exponentially weighted. A window whose root mean square of z
    is more than ``CUT`` teaches as if it were that: windows are strange, not columns; a column
    that bursts now and then is its usual self.

    memory: windows after which what was learned counts half.

    >>> standing, row = Standing(memory=1000), np.array([0])
    >>> state = standing.empty()
    >>> for level in [1.0, 3.0] * 50:
    ...     state, _ = standing.learn(state, row, np.array([[level]]))
    >>> standing.points(state, row, np.array([[6.0]])).round(1)
    array([[ 4.,  1.,  1.]])
    """

    def __init__(self, *, memory: float) -> None:
        self._gain = 1 - 0.5 ** (1 / memory)

    @staticmethod
    def empty() -> StandingState:
        none = np.zeros((0, 0))
        return StandingState(np.zeros(0), none, none, np.zeros((0, max(LAGS), 0)))

    def points(self, state: StandingState, rows: Rows, values: Floats) -> Floats:
        """[row, lag and column]: ``values`` (float64[n, d]) as they stand, and those before."""
        state = _reaching(state, rows, values)
        return _points(state, rows, _distance(state, rows, values))

    def mean(self, state: StandingState, rows: Rows, values: Floats) -> Floats:
        """[row, column]: what is usual."""
        return _reaching(state, rows, values).mean[rows]

    def learn(
        self, state: StandingState, rows: Rows, values: Floats, weights: Floats | float = 1.0
    ) -> tuple[StandingState, Floats]:
        """The state with the values taken in, and their points as they were before that."""
        state = _reaching(state, rows, values)
        distance = _distance(state, rows, values)
        points = _points(state, rows, distance)
        error = np.where(
            state.seen[rows, None] < YOUNG, values - state.mean[rows], _cut(state, rows, distance)
        )
        first = 1 / (state.seen[rows, None] + 1)
        gain = np.reshape(weights, (-1, 1)) * np.maximum(self._gain, first)
        state.mean[rows] += gain * error
        state.variance[rows] = (1 - gain) * (state.variance[rows] + gain * error**2)
        state.recent[rows, 1:] = state.recent[rows, :-1]
        state.recent[rows, 0] = distance
        state.seen[rows] += 1
        return state, points


def matrix(values: Floats) -> Floats:
    """[n, d] also of a bank that is given one value a row."""
    return values if values.ndim == 2 else values[:, None]


def _spread(state: StandingState, rows: Rows) -> Floats:
    least = LEAST * np.abs(state.mean[rows]) + NOTHING
    return np.maximum(np.sqrt(state.variance[rows]), least)


def _distance(state: StandingState, rows: Rows, values: Floats) -> Floats:
    distance = (values - state.mean[rows]) / _spread(state, rows)
    return np.where(state.seen[rows, None] < YOUNG, 0.0, np.clip(distance, -FARTHEST, FARTHEST))


def _cut(state: StandingState, rows: Rows, distance: Floats) -> Floats:
    size = np.sqrt((distance**2).mean(axis=1, keepdims=True))
    return distance * _spread(state, rows) * (CUT / np.maximum(size, CUT))


def _points(state: StandingState, rows: Rows, distance: Floats) -> Floats:
    before = [state.recent[rows, lag - 1] for lag in LAGS[1:]]
    return np.concatenate([distance, *before], axis=1)


def _reaching(state: StandingState, rows: Rows, values: Floats) -> StandingState:
    """The state with ``rows`` existing and as many columns as the values have."""
    state = grown(state, rows)
    if state.mean.shape[1] == values.shape[1]:
        return state
    shape = state.seen.size, values.shape[1]
    recent = np.zeros((shape[0], max(LAGS), shape[1]))
    return replace(state, mean=np.zeros(shape), variance=np.zeros(shape), recent=recent)
