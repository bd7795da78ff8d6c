"""Distance of each series from the median of its recent past: bursts do not widen the band."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from detectors.banks.base import Floats, Reading, Rows, bounded, cleared, first_column, grown
from streams.errors import InvalidParameterError

SIZE: Final = 61
"""Values remembered of a series, spread over the span."""
STREWN: Final = np.arange(SIZE) * 23 % SIZE
"""All places, each far from the one before."""
NORMAL: Final = 1.4826
"""A normal distribution's standard deviation, in median absolute deviations."""
ENOUGH: Final = 0.5
"""What is to be learned with less weight than this is not remembered at all."""


@dataclass(slots=True)
class RobustState:
    """One row per series; everything a snapshot has to keep."""

    seen: Floats
    taken: Floats
    past: Floats
    """[row, place]: remembered values, the oldest of which is written over."""
    median: Floats
    deviation: Floats
    """Median distance of the remembered values from their median."""
    schema: Literal[1] = field(default=1, kw_only=True)


class RobustBank:
    """Hampel's identifier: deviation from the median, in median absolute deviations.

    ``score = |x - median| / (sigmas * 1.4826 * MAD)`` over 61 values of the last ``span_s``. Half
    of them may be anything, and the boundary stays where it was: 50 % is the highest breakdown
    point there is (Hampel, "The Influence Curve", 1974; Rousseeuw and Croux, "Alternatives to the
    Median Absolute Deviation", 1993).

    span_s: seconds of the past that is remembered.
    sigmas: how far the boundary lies from the median, in standard deviations of normal values.
    floor: least standard deviation believed, in the unit of the value; a series of which more than
        half of the values are the same would otherwise never score.

    >>> bank, row = RobustBank(span_s=60, sigmas=4), np.array([0])
    >>> for ttft_s in [0.20, 0.22, 0.24, 9.0] * 20:
    ...     bank.learn(row, np.array([ttft_s]))
    >>> [round(float(bank.score(row, np.array([x]))[0]), 1) for x in (0.24, 0.4, 9.0)]
    [0.0, 0.7, 36.9]
    """

    def __init__(
        self,
        *,
        span_s: float = 600.0,
        sigmas: float = 5.0,
        floor: float = 0.0,
        step_s: float = 1.0,
    ) -> None:
        if span_s <= 0:
            raise InvalidParameterError("span_s", span_s, "more than 0 s")
        if sigmas <= 0:
            raise InvalidParameterError("sigmas", sigmas, "more than 0")
        if floor < 0:
            raise InvalidParameterError("floor", floor, "0 or more")
        none = np.zeros(0)
        self.state = RobustState(none, none, np.zeros((0, SIZE)), none, none)
        self._sigmas, self._floor = sigmas, floor
        self._every = max(1, round(span_s / step_s / SIZE))

    def admit(self, row: int, labels: Mapping[str, str]) -> None:  # noqa: ARG002
        self.state = cleared(self.state, row)

    def score(self, rows: Rows, values: Floats) -> Floats:
        distance = np.abs(values - grown(self.state, rows).median[rows])
        reach = self._reach(rows)
        return bounded(np.divide(distance, reach, out=np.zeros_like(values), where=reach > 0))

    def explain(self, rows: Rows, values: Floats) -> Reading:
        median, reach = grown(self.state, rows).median[rows], self._reach(rows)
        return Reading(
            score=self.score(rows, values),
            expected=median,
            lower=np.where(reach > 0, median - reach, -np.inf),
            upper=np.where(reach > 0, median + reach, np.inf),
            above=values > median,
            column=first_column(rows),
        )

    def learn(self, rows: Rows, values: Floats, weights: Floats | float = 1.0) -> None:
        state = self.state = grown(self.state, rows)
        # All of the first ones, so that a young series has a past soon.
        due = (state.taken[rows] < SIZE) | (state.seen[rows] % self._every == 0)
        due &= np.asarray(weights) >= ENOUGH
        state.seen[rows] += 1
        at = rows[due]
        state.past[at, (state.taken[at] % SIZE).astype(np.int64)] = values[due]
        state.taken[at] += 1
        at = at[state.taken[at] >= SIZE]
        state.median[at] = np.median(state.past[at], axis=1)
        state.deviation[at] = np.median(np.abs(state.past[at] - state.median[at, None]), axis=1)

    def merged(self, state: RobustState) -> RobustState:
        """What is remembered of all, thinned to evenly spaced ranks: half a rank of 61 is lost."""
        values = np.sort(state.past[np.arange(SIZE) < state.taken[:, None]])
        taken = min(values.size, SIZE)
        ranks = ((np.arange(taken) + 0.5) * values.size / max(taken, 1)).astype(np.int64)
        past = np.zeros(SIZE)
        # Strewn, or the newest values would take the place of the least first.
        past[STREWN[taken > STREWN]] = values[ranks]
        median = np.median(past)
        return RobustState(
            seen=state.seen.sum(keepdims=True),
            taken=np.array([float(taken)]),
            past=past[None],
            median=np.array([median]),
            deviation=np.array([np.median(np.abs(past - median))]),
        )

    def inherit(self, row: int, kin: RobustState) -> None:
        """Its own values take the place of theirs one by one."""
        if kin.taken[0] >= SIZE:
            state = self.state
            state.taken[row], state.past[row] = SIZE, kin.past[0]
            state.median[row], state.deviation[row] = kin.median[0], kin.deviation[0]

    def _reach(self, rows: Rows) -> Floats:
        """Way from the median to the boundary; 0 while the series is too young to tell."""
        state = grown(self.state, rows)
        deviation = np.maximum(NORMAL * state.deviation[rows], self._floor)
        return np.where(state.taken[rows] >= SIZE, self._sigmas * deviation, 0.0)
