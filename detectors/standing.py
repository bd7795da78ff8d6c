"""Where values stand in the long past of their series: the ground that banks on windows share."""

from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np

from detectors.banks.base import Floats, Rows, grown
from detectors.moments import moments

LAGS: Final = (0, 1, 3)
"""A point holds the values of so many windows ago: how they move tells as much as where."""
YOUNG: Final = 10
"""Windows before which a series has no spread to speak of."""
FARTHEST: Final = 20.0
"""A value stands at most so many spreads out: beyond, there is nothing to tell apart."""
LEAST: Final = 1e-2
"""Least spread believed, as a share of the mean."""
NOTHING: Final = 1e-9
"""Least spread believed at all."""


@dataclass(slots=True)
class StandingState:
    """One row per series; everything a snapshot has to keep."""

    seen: Floats
    """[row, column], as are the next two."""
    mean: Floats
    variance: Floats
    recent: Floats
    """[row, windows ago less one, column]: where the last windows stood."""
    schema: Literal[2] = field(default=2, kw_only=True)


class Standing:
    """Distance of each value from a slow mean in units of a slow spread, now and some windows ago.

    ``z = (x - mean) / spread``, both exponentially weighted. A window whose mean of |z| is more
    than ``cut`` teaches as if it were that: an outage must not become the yardstick, but one
    column of many that bursts now and then is its usual self. A value that is missing (NaN) stands
    where it is expected, and teaches nothing.

    memory: windows after which what was learned counts half.

    >>> standing, row = Standing(memory=1000), np.array([0])
    >>> state = standing.empty()
    >>> for level in [1.0, 3.0] * 50:
    ...     state, _ = standing.learn(state, row, np.array([[level]]))
    >>> standing.points(state, row, np.array([[6.0]])).round(1)
    array([[4., 1., 1.]])
    """

    def __init__(self, *, memory: float, cut: float = 5.0) -> None:
        self._gain = 1 - 0.5 ** (1 / memory)
        self._cut = cut

    @staticmethod
    def empty() -> StandingState:
        none = np.zeros((0, 0))
        return StandingState(none, none, none, np.zeros((0, max(LAGS), 0)))

    def points(self, state: StandingState, rows: Rows, values: Floats) -> Floats:
        """[row, lag and column]: ``values`` (float64[n, d]) as they stand, and those before."""
        state = _reaching(state, rows, values)
        return _points(state, rows, _bounded(_distance(state, rows, values)))

    def distance(self, state: StandingState, rows: Rows, values: Floats) -> Floats:
        """[row, column]: ``values`` as they stand."""
        return _bounded(_distance(_reaching(state, rows, values), rows, values))

    def usual(self, state: StandingState, rows: Rows, values: Floats) -> tuple[Floats, Floats]:
        """[row, column]: mean and spread."""
        state = _reaching(state, rows, values)
        return state.mean[rows], _spread(state, rows)

    @staticmethod
    def merged(state: StandingState) -> StandingState:
        """A state of one row, as if one series had seen what all rows have; nothing is recent."""
        mean, variance = moments(state.seen, state.mean, state.variance)
        recent = np.zeros((1, *state.recent.shape[1:]))
        return StandingState(state.seen.sum(axis=0, keepdims=True), mean, variance, recent)

    @staticmethod
    def inherit(state: StandingState, row: int, kin: StandingState, weight: float) -> StandingState:
        """The state in which ``row`` begins as ``kin`` are, which weighs so many windows."""
        state = _reaching(state, np.array([row]), kin.mean)
        state.seen[row] = np.minimum(kin.seen[0], weight)
        state.mean[row], state.variance[row] = kin.mean[0], kin.variance[0]
        return state

    def learn(
        self, state: StandingState, rows: Rows, values: Floats, weights: Floats | float = 1.0
    ) -> tuple[StandingState, Floats]:
        """The state with the values taken in, and their points as they were before that."""
        state = _reaching(state, rows, values)
        distance = _distance(state, rows, values)
        points = _points(state, rows, _bounded(distance))
        size = np.abs(distance).mean(axis=1, keepdims=True)
        known = np.isfinite(values)
        cut = np.minimum(1.0, self._cut / np.maximum(size, NOTHING))
        error = np.where(known, values - state.mean[rows], 0.0) * cut
        first = 1 / (state.seen[rows] + 1)
        gain = known * np.reshape(weights, (-1, 1)) * np.maximum(self._gain, first)
        state.mean[rows] += gain * error
        state.variance[rows] = (1 - gain) * (state.variance[rows] + gain * error**2)
        state.recent[rows, 1:] = state.recent[rows, :-1]
        state.recent[rows, 0] = points[:, : values.shape[1]]
        state.seen[rows] += known
        return state, points


def matrix(values: Floats) -> Floats:
    """[n, d] also of a bank that is given one value a row."""
    return values if values.ndim == 2 else values[:, None]


def _spread(state: StandingState, rows: Rows) -> Floats:
    least = LEAST * np.abs(state.mean[rows]) + NOTHING
    return np.maximum(np.sqrt(state.variance[rows]), least)


def _distance(state: StandingState, rows: Rows, values: Floats) -> Floats:
    distance = (values - state.mean[rows]) / _spread(state, rows)
    return np.where((state.seen[rows] >= YOUNG) & np.isfinite(values), distance, 0.0)


def _bounded(distance: Floats) -> Floats:
    return np.clip(distance, -FARTHEST, FARTHEST)


def _points(state: StandingState, rows: Rows, distance: Floats) -> Floats:
    before = [state.recent[rows, lag - 1] for lag in LAGS[1:]]
    return np.concatenate([distance, *before], axis=1)


def _reaching(state: StandingState, rows: Rows, values: Floats) -> StandingState:
    """The state with ``rows`` existing and as many columns as the values have."""
    state = grown(state, rows)
    if state.mean.shape[1] == values.shape[1]:
        return state
    shape = state.seen.shape[0], values.shape[1]
    recent = np.zeros((shape[0], max(LAGS), shape[1]))
    seen, mean, variance = (np.zeros(shape) for _ in range(3))
    return replace(state, seen=seen, mean=mean, variance=variance, recent=recent)
