"""Values that do not go together, or do not follow each other, as they used to."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np

from detectors.banks.base import Bools, Floats, Reading, Rows, bounded, cleared, grown
from detectors.moments import weighted
from detectors.standing import LAGS, Standing, StandingState, matrix
from streams.errors import InvalidParameterError

EVERY: Final = 32
"""Windows between two inversions of a series' covariance."""
YOUNG: Final = 20
"""Windows before which its covariance says nothing."""


@dataclass(slots=True)
class MahalanobisState:
    """One row per series; everything a snapshot has to keep."""

    taken: Floats
    covariance: Floats
    """[row, place in a point, place in a point]"""
    precision: Floats
    """Inverse of the covariance with the ridge, as of the last time it was due."""
    standing: StandingState = field(kw_only=True)
    schema: Literal[1] = field(default=1, kw_only=True)


class MahalanobisBank:
    """Length of a point in the metric of the series' own covariance, on all values at once.

    A point z is where the values stand now and stood one and three windows ago (`Standing`), so
    the covariance S knows what goes together and what follows what. ``score = sqrt(zᵀ (S + ridge
    I)⁻¹ z / size of z) / boundary``: Hotelling's T² on the main components of the past and the
    residual on the rest, in one sum without a number of components to choose.

    boundary: length that becomes 1.0; 1 is usual.
    memory: windows after which what was learned counts half.
    ridge: variance taken for granted in every direction, in squared spreads.
    """

    def __init__(
        self, *, boundary: float = 3.0, memory: float = 50_000.0, ridge: float = 0.01
    ) -> None:
        if boundary <= 0:
            raise InvalidParameterError("boundary", boundary, "more than 0")
        if memory < 1:
            raise InvalidParameterError("memory", memory, "1 window or more")
        if ridge <= 0:
            raise InvalidParameterError("ridge", ridge, "more than 0")
        self._boundary, self._ridge = boundary, ridge
        self._gain = 1 - 0.5 ** (1 / memory)
        self._standing = Standing(memory=memory)
        none = np.zeros((0, 0, 0))
        self.state = MahalanobisState(np.zeros(0), none, none, standing=self._standing.empty())

    def admit(self, row: int, labels: Mapping[str, str]) -> None:  # noqa: ARG002
        state = self.state = cleared(self.state, row)
        state.standing = cleared(state.standing, row)

    def score(self, rows: Rows, values: Floats) -> Floats:
        return self._length(self._shares(rows, matrix(values)))

    def explain(self, rows: Rows, values: Floats) -> Reading:
        columns = matrix(values)
        shares = self._shares(rows, columns)
        # A column is to blame with all its lags.
        blame = shares.reshape(rows.size, len(LAGS), columns.shape[1]).sum(axis=1).argmax(axis=1)
        at = np.arange(rows.size), blame
        actual, mean = columns[at], self._standing.usual(self.state.standing, rows, columns)[0][at]
        nowhere = np.full(rows.size, np.inf)
        return Reading(self._length(shares), mean, -nowhere, nowhere, actual > mean, blame)

    def learn(self, rows: Rows, values: Floats, weights: Floats | float = 1.0) -> None:
        standing, points = self._standing.learn(self.state.standing, rows, matrix(values), weights)
        state = self.state = _reaching(self.state, rows, points.shape[1])
        state.standing = standing
        taken = np.broadcast_to(np.asarray(weights, np.float64), rows.shape)
        gain = taken * np.maximum(self._gain, 1 / (state.taken[rows] + 1))
        new = points[:, :, None] * points[:, None, :]
        state.covariance[rows] += gain[:, None, None] * (new - state.covariance[rows])
        state.taken[rows] += 1
        self._invert(rows[_due(rows, state.taken[rows])])

    def merged(self, state: MahalanobisState) -> MahalanobisState:
        """The mean over all points, each as it stood in the past of its own series."""
        covariance = weighted(state.taken, state.covariance)
        taken, standing = state.taken.sum(keepdims=True), self._standing.merged(state.standing)
        return MahalanobisState(taken, covariance, covariance, standing=standing)

    def inherit(self, row: int, kin: MahalanobisState) -> None:
        if kin.taken[0] < YOUNG:
            return
        rows, size = np.array([row]), kin.covariance.shape[1]
        state = self.state = _reaching(self.state, rows, size)
        state.standing = self._standing.inherit(state.standing, row, kin.standing, YOUNG)
        state.taken[row], state.covariance[row] = YOUNG, kin.covariance[0]
        self._invert(rows)

    def _invert(self, rows: Rows) -> None:
        state = self.state
        ridge = self._ridge * np.eye(state.covariance.shape[1])
        state.precision[rows] = np.linalg.inv(state.covariance[rows] + ridge)

    def _shares(self, rows: Rows, values: Floats) -> Floats:
        """[row, place in the point]: what each adds to the squared length; sums to it."""
        points = self._standing.points(self.state.standing, rows, values)
        state = _reaching(self.state, rows, points.shape[1])
        turned: Floats = np.matmul(state.precision[rows], points[:, :, None])[:, :, 0]
        return np.asarray(points * turned / points.shape[1])

    def _length(self, shares: Floats) -> Floats:
        return bounded(np.sqrt(np.maximum(shares.sum(axis=1), 0)) / self._boundary)


def _due(rows: Rows, taken: Floats) -> Bools:
    """Each at its own time, or all would be inverted in the same window."""
    return np.asarray((taken >= YOUNG) & ((taken == YOUNG) | ((taken + rows) % EVERY == 0)))


def _reaching(state: MahalanobisState, rows: Rows, size: int) -> MahalanobisState:
    """The state with ``rows`` existing, for points of ``size``."""
    state = grown(state, rows)
    if state.covariance.shape[1] == size:
        return state
    shape = state.taken.size, size, size
    return replace(state, covariance=np.zeros(shape), precision=np.zeros(shape))
