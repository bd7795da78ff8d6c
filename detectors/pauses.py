"""How long nothing has happened in, how odd that is out: for banks on silence and standstill."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from detectors.banks.base import Bools, Floats, Rows, grown
from streams.errors import InvalidParameterError


@dataclass(slots=True)
class PausesState:
    """One row per series; everything a snapshot has to keep."""

    seen: Floats
    """How often it was seen to move."""
    usual: Floats
    """The longest pause of its past, which fades, in windows."""
    schema: Literal[1] = field(default=1, kw_only=True)


class Pauses:
    """A pause against the longest that is usual, and against how long fellows have paused by now.

    ``score = pause / max(least, times * usual, times * fellows)``, all in windows. A pause that was
    odd teaches nothing, unless it lasts so long that it is to be learned all the same.

    least_s: a shorter pause is never odd.
    enough: moves a series must have shown before its pauses are judged.
    half_life_s: seconds after which the longest pause counts half.

    >>> pauses = Pauses(least_s=4, times=3, enough=1, half_life_s=1e6, step_s=1)
    >>> row = np.array([0])
    >>> state, alone = pauses.empty(), np.zeros(1)
    >>> for before, now in ((0, 0), (0, 1), (1, 2), (2, 0)):
    ...     state = pauses.learn(state, row, np.array([before]), np.array([now]), alone, 1.0)
    >>> pauses.score(state, row, np.array([6.0]), alone).round(2)
    array([1.])
    """

    def __init__(
        self, *, least_s: float, times: float, enough: float, half_life_s: float, step_s: float
    ) -> None:
        if least_s <= 0:
            raise InvalidParameterError("least_s", least_s, "more than 0 s")
        if times <= 1:
            raise InvalidParameterError("times", times, "more than 1")
        if half_life_s <= 0:
            raise InvalidParameterError("half_life_s", half_life_s, "more than 0 s")
        self._least, self._times, self._enough = least_s / step_s, times, enough
        self._fade = 0.5 ** (step_s / half_life_s)

    @staticmethod
    def empty() -> PausesState:
        return PausesState(np.zeros(0), np.zeros(0))

    @staticmethod
    def merged(state: PausesState) -> PausesState:
        """A state of one row: the longest pause of any."""
        usual = state.usual.max(axis=0, keepdims=True, initial=0)
        return PausesState(state.seen.sum(keepdims=True), usual)

    def boundary(self, state: PausesState, rows: Rows, fellows: Floats) -> Floats:
        usual = np.maximum(grown(state, rows).usual[rows], fellows)
        return np.maximum(self._least, self._times * usual)

    def score(self, state: PausesState, rows: Rows, pause: Floats, fellows: Floats) -> Floats:
        known = self.known(state, rows)
        return np.where(known, pause / self.boundary(state, rows, fellows), 0.0)

    def known(self, state: PausesState, rows: Rows) -> Bools:
        """Of which enough is known to judge."""
        return np.asarray(grown(state, rows).seen[rows] >= self._enough)

    def learn(  # noqa: PLR0913 (a pause before and now, beside what every bank learns from)
        self,
        state: PausesState,
        rows: Rows,
        before: Floats,
        pause: Floats,
        fellows: Floats,
        weights: Floats | float,
    ) -> PausesState:
        """The state with a window taken in: the pauses as they were, and as they are with it."""
        state = grown(state, rows)
        ended = (pause == 0) & (before < self.boundary(state, rows, fellows))
        lasting = self.score(state, rows, pause, fellows) >= 1
        taught = np.where(ended, before, np.where(lasting, pause, 0.0))
        faded = np.maximum(self._fade * state.usual[rows], taught)
        state.usual[rows] = np.where(np.asarray(weights) > 0, faded, state.usual[rows])
        state.seen[rows] += pause == 0
        return state
