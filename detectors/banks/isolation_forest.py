"""scikit-learn's isolation forest on several values at once, one per group of series."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np

from detectors.banks.base import Floats, Reading, Rows, bounded, cleared, grown
from detectors.fellows import group_of
from streams.errors import InvalidParameterError

USUAL_SHARE: Final = 0.9
MAX_GROUPS: Final = 64
"""Groups with a forest of their own; the one that learned longest ago makes room for a new one."""


@dataclass(slots=True, kw_only=True)
class Ring:
    """The recent normal points of one group, and those that its forest is grown from."""

    points: Floats
    learned: int = 0
    sample: Floats
    """The points as they were when the forest was last due."""
    sampled_at: int = 0
    """How many had been learned by then."""


@dataclass(slots=True)
class ForestState:
    """One row per series; everything a snapshot has to keep.

    Forests are not among it: the same sample and seed grow the same one, when it is next asked.
    """

    seen: Floats
    group: Rows
    mean: Floats
    variance: Floats
    rings: dict[int, Ring] = field(default_factory=dict, kw_only=True)
    """By group, the one that learned longest ago first."""
    schema: Literal[1] = field(default=1, kw_only=True)


@dataclass(frozen=True, slots=True)
class Forest:
    """A forest as it was grown from the sample of ``sampled_at`` points."""

    sampled_at: int
    trees: Any
    usual: float
    """What 9 in 10 of the points it was grown from score at most."""


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
        self._forests: dict[int, Forest] = {}
        """By group: at most one for each ring."""

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
        """Put points into the group's ring; at fixed counts of them, take a new sample."""
        rings = self.state.rings
        ring = rings.pop(group, None) or self._ring(points.shape[1])
        rings[group] = ring
        if len(rings) > MAX_GROUPS:
            oldest = next(iter(rings))
            del rings[oldest]
            self._forests.pop(oldest, None)
        for point in points:
            ring.points[ring.learned % self._size] = point
            ring.learned += 1
        if ring.learned - ring.sampled_at >= self._refit * max(1, len(points)):
            ring.sample = ring.points[: min(ring.learned, self._size)].copy()
            ring.sampled_at = ring.learned

    def _ring(self, columns: int) -> Ring:
        return Ring(points=np.zeros((self._size, columns)), sample=np.zeros((0, columns)))

    def _forest(self, group: int, ring: Ring) -> Forest:
        """Grown when it is first asked: most are never, and after a restart none has to wait."""
        forest = self._forests.get(group)
        if forest is None or forest.sampled_at != ring.sampled_at:
            forest = self._forests[group] = self._grown(ring)
        return forest

    def _grown(self, ring: Ring) -> Forest:
        from sklearn.ensemble import IsolationForest  # noqa: PLC0415  takes a second to load

        trees = IsolationForest(
            n_estimators=self._trees,
            max_samples=min(128, len(ring.sample)),
            n_jobs=1,
            random_state=self._seed,
        ).fit(ring.sample)
        usual = float(np.quantile(-trees.score_samples(ring.sample), USUAL_SHARE))
        return Forest(ring.sampled_at, trees, usual)

    def _judge(self, rows: Rows, matrix: Floats) -> tuple[Floats, Rows]:
        state = self._state_for(rows, matrix)
        points = self._points(state, rows, matrix)
        column = np.argmax(np.abs(points), axis=1)
        score = np.abs(points).max(axis=1) / self._sigmas
        for group in np.unique(state.group[rows]):
            mine = state.group[rows] == group
            ring = state.rings.get(int(group))
            if ring is None or not len(ring.sample):
                score[mine] = 0.0
                continue
            # A forest is slow to ask: only about what lies half way out.
            asked = mine & (score >= 0.5)
            if asked.any():
                forest = self._forest(int(group), ring)
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
        return replace(state, mean=np.zeros(shape), variance=np.zeros(shape))


def _matrix(values: Floats) -> Floats:
    return values if values.ndim == 2 else values[:, None]
