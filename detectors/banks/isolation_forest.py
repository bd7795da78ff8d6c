"""scikit-learn's isolation forest on several values at once, one per group of series."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from sklearn.ensemble import IsolationForest

from detectors.banks.base import Floats, Reading, Rows, bounded, cleared, grown
from detectors.fellows import group_of
from streams.errors import InvalidParameterError

USUAL_SHARE: Final = 0.9
MAX_GROUPS: Final = 64
"""Groups with a forest of their own; the one that learned longest ago makes room for a new one."""


@dataclass(slots=True)
class ForestState:
    """One row per series; everything a checkpoint has to keep but the forests."""

    seen: Floats
    group: Rows
    mean: Floats
    variance: Floats


@dataclass(slots=True)
class Forest:
    """The forest of one group and the ring of recent normal points that the next one grows from."""

    points: Floats
    learned: int = 0
    fitted_at: int = 0
    usual: float = 0.0
    """What 9 in 10 of the points it was grown from score at most."""
    trees: Any = field(default=None, repr=False)


class IsolationForestBank:
    """Isolation score of a series' values, in units of the score that lies on the boundary.

    ``score = min(isolation / max(boundary, usual), |z| / sigmas)``. Isolation lies in (0, 1) as in
    Liu, Ting and Zhou 2008; ``usual`` is what 9 in 10 of the points that the forest was grown from
    stay below. z is the distance of the value that lies farthest out: a forest cannot tell how far
    outside its points a new one lies, and calls some of every set strange. It is asked only about
    points half way out.

    Each value enters as its distance from the series' own exponentially weighted mean in units of
    its spread, so series of different size share a forest.

    boundary: isolation that becomes 1.0.
    sigmas: distance of the farthest value that becomes 1.0.
    half_life_s: of the mean and spread of each value.
    refit_s: seconds of learning after which a group's forest is grown anew, in event time.
    size: recent normal points kept per group.
    floors: least spread believed of each value, in its unit; cycled when too short.
    by: labels that the series of a group have in common.
    """

    def __init__(  # noqa: PLR0913 (a bank's options, always by keyword)
        self,
        *,
        boundary: float = 0.62,
        sigmas: float = 6.0,
        half_life_s: float = 60.0,
        refit_s: float = 60.0,
        size: int = 256,
        trees: int = 25,
        floors: tuple[float, ...] | list[float] = (1e-6,),
        by: tuple[str, ...] | list[str] = ("cluster", "pool"),
        seed: int = 1,
        step_s: float = 1.0,
    ) -> None:
        if not 0 < boundary < 1:
            raise InvalidParameterError("boundary", boundary, "between 0 and 1")
        if size < 16:
            raise InvalidParameterError("size", size, "16 or more")
        if not floors or min(floors) <= 0:
            raise InvalidParameterError("floors", floors, "numbers above 0")
        self._boundary, self._sigmas = boundary, sigmas
        self._weight = 1 - 0.5 ** (step_s / half_life_s)
        self._refit = max(16, round(refit_s / step_s))
        self._size, self._trees, self._seed = size, trees, seed
        self._floors, self._by = np.asarray(floors, np.float64), tuple(by)
        none = np.zeros((0, 0))
        self.state = ForestState(np.zeros(0), np.zeros(0, np.int64), none, none)
        self.forests: dict[int, Forest] = {}

    def admit(self, row: int, labels: Mapping[str, str]) -> None:
        state = self.state = cleared(self.state, row)
        state.group[row] = group_of(labels, self._by)

    def score(self, rows: Rows, values: Floats) -> Floats:
        return self._judge(rows, _matrix(values))[0]

    def explain(self, rows: Rows, values: Floats) -> Reading:
        matrix = _matrix(values)
        score, column = self._judge(rows, matrix)
        state = self._state_for(rows, matrix)
        at = np.arange(rows.size)
        mean = state.mean[rows][at, column]
        reach = self._sigmas * self._spread(state, rows)[at, column]
        return Reading(score, mean, mean - reach, mean + reach, matrix[at, column] > mean, column)

    def learn(self, rows: Rows, values: Floats, weights: Floats | float = 1.0) -> None:
        matrix = _matrix(values)
        state = self.state = self._state_for(rows, matrix)
        taken = np.broadcast_to(np.asarray(weights, np.float64), rows.shape)
        points = self._points(state, rows, matrix)
        for group in np.unique(state.group[rows]):
            mine = (state.group[rows] == group) & (taken >= 0.5)
            self._remember(int(group), points[mine])
        error = matrix - state.mean[rows]
        gain = (taken * np.maximum(self._weight, 1 / (state.seen[rows] + 1)))[:, None]
        state.mean[rows] += gain * error
        state.variance[rows] = (1 - gain) * (state.variance[rows] + gain * error**2)
        state.seen[rows] += 1

    def _remember(self, group: int, points: Floats) -> None:
        """Put points into the group's ring; at fixed counts of them, grow a new forest."""
        forest = self.forests.pop(group, None) or Forest(np.zeros((self._size, points.shape[1])))
        self.forests[group] = forest
        while len(self.forests) > MAX_GROUPS:
            del self.forests[next(iter(self.forests))]
        for point in points:
            forest.points[forest.learned % self._size] = point
            forest.learned += 1
        if forest.learned - forest.fitted_at >= self._refit * max(1, len(points)):
            self._grow(forest)

    def _grow(self, forest: Forest) -> None:
        known = forest.points[: min(forest.learned, self._size)]
        forest.trees = IsolationForest(
            n_estimators=self._trees,
            max_samples=min(128, len(known)),
            n_jobs=1,
            random_state=self._seed,
        ).fit(known)
        forest.usual = float(np.quantile(-forest.trees.score_samples(known), USUAL_SHARE))
        forest.fitted_at = forest.learned

    def _judge(self, rows: Rows, matrix: Floats) -> tuple[Floats, Rows]:
        state = self._state_for(rows, matrix)
        points = self._points(state, rows, matrix)
        column = np.argmax(np.abs(points), axis=1)
        score = np.abs(points).max(axis=1) / self._sigmas
        for group in np.unique(state.group[rows]):
            mine = state.group[rows] == group
            forest = self.forests.get(int(group))
            if forest is None or forest.trees is None:
                score[mine] = 0.0
                continue
            # A forest is slow to ask: only about what lies half way out.
            asked = mine & (score >= 0.5)
            if asked.any():
                isolation = -forest.trees.score_samples(points[asked])
                boundary = max(self._boundary, forest.usual)
                score[asked] = np.minimum(score[asked], isolation / boundary)
        return bounded(score), column

    def _points(self, state: ForestState, rows: Rows, matrix: Floats) -> Floats:
        """Values as distances from the series' own mean, in units of its spread."""
        distance = (matrix - state.mean[rows]) / self._spread(state, rows)
        young = state.seen[rows] < 2
        return np.where(young[:, None], 0.0, np.clip(distance, -1e6, 1e6))

    def _spread(self, state: ForestState, rows: Rows) -> Floats:
        floors = np.resize(self._floors, state.mean.shape[1])
        return np.maximum(np.sqrt(state.variance[rows]), floors)

    def _state_for(self, rows: Rows, matrix: Floats) -> ForestState:
        """The state with ``rows`` existing and as many columns as the values have."""
        state = grown(self.state, rows)
        if state.mean.shape[1] == matrix.shape[1]:
            return state
        shape = state.seen.size, matrix.shape[1]
        return ForestState(state.seen, state.group, np.zeros(shape), np.zeros(shape))


def _matrix(values: Floats) -> Floats:
    return values if values.ndim == 2 else values[:, None]
