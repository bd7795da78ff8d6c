"""How far what is seen lies from everything that was seen before, whatever shape that had."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from detectors.banks.base import Floats, Reading, Rows, bounded, cleared, grown
from detectors.standing import Standing, StandingState, matrix
from streams.errors import InvalidParameterError

Points = npt.NDArray[np.float32]

NEAREST: Final = 5
"""The distance counts to the neighbour of this rank: a fault seen four times is still none."""
YOUNG: Final = 20
"""Points before which a reservoir says nothing."""
AT_ONCE: Final = 1 << 18
"""So many numbers are compared at a time: they stay in the processor's cache."""


@dataclass(slots=True)
class NeighboursState:
    """One row per series; everything a snapshot has to keep."""

    taken: Rows
    """How many points were offered."""
    points: Points
    """[row, place in the point, number in the reservoir]: in this order it is five times faster."""
    standing: StandingState = field(kw_only=True)
    schema: Literal[1] = field(default=1, kw_only=True)


class NeighboursBank:
    """Distance of a point to its fifth nearest among a sample of the series' whole past.

    A point z is where the values stand now and stood one and three windows ago (`Standing`).
    ``score = distance / sqrt(size of z) / boundary``. The sample is a reservoir (Vitter 1985):
    every point of the past is in it with the same chance, so memory and time are bounded and what
    happened once is remembered as once.

    boundary: distance that becomes 1.0, in spreads of a value.
    memory: windows after which what was learned of mean and spread counts half.
    size: points in the reservoir.
    seed: what stays in the reservoir is drawn from it.
    """

    def __init__(
        self,
        *,
        boundary: float = 3.0,
        memory: float = 50_000.0,
        size: int = 256,
        seed: int = 1,
    ) -> None:
        if boundary <= 0:
            raise InvalidParameterError("boundary", boundary, "more than 0")
        if memory < 1:
            raise InvalidParameterError("memory", memory, "1 window or more")
        if size < YOUNG:
            raise InvalidParameterError("size", size, f"{YOUNG} or more")
        self._boundary, self._size, self._seed = boundary, size, seed
        self._standing = Standing(memory=memory)
        self.state = NeighboursState(
            np.zeros(0, np.int64),
            np.zeros((0, 0, 0), np.float32),
            standing=self._standing.empty(),
        )

    def admit(self, row: int, labels: Mapping[str, str]) -> None:  # noqa: ARG002
        state = self.state = cleared(self.state, row)
        state.standing = cleared(state.standing, row)

    def score(self, rows: Rows, values: Floats) -> Floats:
        points = self._standing.points(self.state.standing, rows, matrix(values))
        state = self._reaching(rows, points.shape[1])
        small = points.astype(np.float32)
        step = max(1, AT_ONCE // (self._size * points.shape[1]))
        parts = [
            self._distance(state, rows[at : at + step], small[at : at + step])
            for at in range(0, rows.size, step)
        ]
        distance = np.concatenate(parts) if parts else np.zeros(0)
        return bounded(distance / (np.sqrt(points.shape[1]) * self._boundary))

    def explain(self, rows: Rows, values: Floats) -> Reading:
        columns = matrix(values)
        mean, _ = self._standing.usual(self.state.standing, rows, columns)
        points = self._standing.points(self.state.standing, rows, columns)
        blame = np.abs(points[:, : columns.shape[1]]).argmax(axis=1)
        at, nowhere = (np.arange(rows.size), blame), np.full(rows.size, np.inf)
        above = columns[at] > mean[at]
        return Reading(self.score(rows, values), mean[at], -nowhere, nowhere, above, blame)

    def learn(self, rows: Rows, values: Floats, weights: Floats | float = 1.0) -> None:
        standing, points = self._standing.learn(self.state.standing, rows, matrix(values), weights)
        state = self.state = self._reaching(rows, points.shape[1])
        state.standing = standing
        taught = np.broadcast_to(np.asarray(weights) >= 0.5, rows.shape)
        rows, points = rows[taught], points[taught]
        slot = _slots(state.taken[rows], self._size, self._seed)
        kept = slot < self._size
        state.points[rows[kept], :, slot[kept]] = points[kept]
        state.taken[rows] += 1

    def merged(self, state: NeighboursState) -> NeighboursState:
        """A reservoir of all that they were offered: each place from one of them, by its share."""
        ends, places = np.cumsum(state.taken), np.arange(state.points.shape[2])
        row = np.searchsorted(ends, (places + 0.5) / self._size * ends[-1], side="right")
        row = np.minimum(row, ends.size - 1)
        held = np.clip(state.taken[row], 1, self._size)
        points = state.points[row, :, places % held].T[None]
        return NeighboursState(ends[-1:], points, standing=self._standing.merged(state.standing))

    def inherit(self, row: int, kin: NeighboursState) -> None:
        """Points of its own take their places soon: it is taken to be as old as its reservoir."""
        if kin.taken[0] < self._size:
            return
        state = self.state = self._reaching(np.array([row]), kin.points.shape[1])
        state.standing = self._standing.inherit(state.standing, row, kin.standing, YOUNG)
        state.taken[row], state.points[row] = self._size, kin.points[0]

    def _distance(self, state: NeighboursState, rows: Rows, points: Points) -> Floats:
        away = state.points[rows]
        away -= points[:, :, None]
        away *= away
        squares = away.sum(axis=1)
        taken = state.taken[rows, None]
        squares[np.arange(self._size) >= taken] = np.inf
        fifth = np.partition(squares, NEAREST - 1, axis=1)[:, NEAREST - 1].astype(np.float64)
        return np.sqrt(np.where(taken[:, 0] < YOUNG, 0.0, fifth))

    def _reaching(self, rows: Rows, size: int) -> NeighboursState:
        """The state with ``rows`` existing, for points of ``size``."""
        state = grown(self.state, rows)
        if state.points.shape[1:] == (size, self._size):
            return state
        return replace(state, points=np.zeros((state.taken.size, size, self._size), np.float32))


def _slots(taken: Rows, size: int, seed: int) -> Rows:
    """Where the next point goes: the first ``size`` in order, then anywhere among all so far.

    A hash of the count instead of a generator: no state of its own, and no series feels another.
    """
    word = taken.astype(np.uint64) + np.uint64(seed * 0x9E3779B97F4A7C15 % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        word = (word ^ (word >> np.uint64(shift))) * np.uint64(factor)
    word ^= word >> np.uint64(31)
    drawn = (word % (taken + 1).astype(np.uint64)).astype(np.int64)
    return np.where(taken < size, taken, drawn)
