"""A replica that grows slower than its fellows: evidence added up over windows, not one by one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np

from detectors.banks.base import (
    Floats,
    Reading,
    Rows,
    bounded,
    cleared,
    first_column,
    grown,
    picked,
)
from detectors.fellows import group_of, median_of_others
from detectors.moments import weighted
from streams.errors import InvalidParameterError

PRIOR: Final = 20.0
"""A young series is taken to have shown so many windows without any spread."""
MOST: Final = 3.0
"""Evidence is kept up to here, as a score: what has been slow for an hour is well soon after."""
CUT: Final = 2.0
"""A window teaches at most so many spreads about the spread."""
RECENT_S: Final = 15.0
"""A fellow that has had no value for so long is no yardstick any more."""
STEP: Final = 0.35
"""What one window adds at most, as a score: one stall is no trend."""


@dataclass(slots=True)
class CusumState:
    """One row per series; everything a checkpoint has to keep."""

    seen: Floats
    group: Rows
    """blake2b-64 of the labels that fellows share."""
    heard: Floats
    """Number of the window in which it last had a value, counted by the bank."""
    level: Floats
    """Logarithm of the value, averaged over the last windows,"""
    past: Floats
    """and over the last minutes."""
    variance: Floats
    """Of the logarithm of the ratio to the fellows."""
    evidence: Floats
    schema: Literal[1] = field(default=1, kw_only=True)


class CusumBank:
    """Page's cumulative sum for a series that became ``ratio`` times its fellows.

    x is the logarithm of the value's ratio to the median of its fellows, as they are now or as they
    used to be, whichever is slower: neither a busy machine nor a fellow that catches up makes a
    replica slow. s is its spread, d = log(ratio). Each window adds its log-likelihood ratio:
    ``sum = max(0, sum + d / s² * (x - d / 2))``, ``score = sum / evidence``. For a given rate of
    false alarms no test finds a lasting shift sooner (Moustakides 1986); a shift that grows counts
    from where it passes ``sqrt(ratio)``. 0 for a series without fellows.

    ratio: how many times its fellows is looked for.
    evidence: log-likelihood ratio on the boundary: a series without a shift is beyond it about once
        in ``exp(evidence)`` windows if x were normal and windows independent.
    spread: least spread believed.
    level_s: half-life of the level that fellows are compared with.
    half_life_s: of the spread, and of what fellows used to be.
    floor: values below it count as it, in the unit of the value.
    warmup_s: seconds a series must have shown before it scores other than 0.
    by: labels that fellows have in common.

    >>> bank, rows = CusumBank(warmup_s=0), np.arange(3)
    >>> for slow_s in (0.10, 0.10, 0.16, 0.16, 0.16):
    ...     values = np.array([0.1, 0.1, slow_s])
    ...     print(bank.score(rows, values).round(2))
    ...     bank.learn(rows, values)
    [0. 0. 0.]
    [0. 0. 0.]
    [0.   0.   0.21]
    [0.   0.   0.43]
    [0.   0.   0.64]
    """

    def __init__(  # noqa: PLR0913 (a bank's options, always by keyword)
        self,
        *,
        ratio: float = 2.0,
        evidence: float = 10.0,
        spread: float = 0.2,
        level_s: float = 1.0,
        half_life_s: float = 120.0,
        floor: float = 1e-3,
        warmup_s: float = 10.0,
        by: tuple[str, ...] | list[str] = ("cluster", "pool"),
        step_s: float = 1.0,
    ) -> None:
        if ratio <= 1:
            raise InvalidParameterError("ratio", ratio, "more than 1")
        if evidence <= 0:
            raise InvalidParameterError("evidence", evidence, "more than 0")
        if spread <= 0:
            raise InvalidParameterError("spread", spread, "more than 0")
        if floor <= 0:
            raise InvalidParameterError("floor", floor, "more than 0")
        zeros = (np.zeros(0) for _ in range(5))
        self.state = CusumState(np.zeros(0), np.zeros(0, np.int64), *zeros)
        self._shift = float(np.log(ratio))
        self._boundary, self._spread, self._floor = evidence, spread, floor
        self._warmup = max(1.0, warmup_s / step_s)
        self._recent = RECENT_S / step_s
        self._level_weight = 1 - 0.5 ** (step_s / level_s)
        self._weight = 1 - 0.5 ** (step_s / half_life_s)
        self._by = tuple(by)

    def admit(self, row: int, labels: Mapping[str, str]) -> None:
        state = self.state = cleared(self.state, row)
        state.group[row] = group_of(labels, self._by)

    def score(self, rows: Rows, values: Floats) -> Floats:
        state = grown(self.state, rows)
        return bounded(self._added(state, rows, self._distance(state, rows, values)))

    def explain(self, rows: Rows, values: Floats) -> Reading:
        state = grown(self.state, rows)
        distance = self._distance(state, rows, values)
        known = np.isfinite(distance)
        score = bounded(self._added(state, rows, distance))
        fellows = np.where(known, np.maximum(values, self._floor) / _exp(distance), values)
        missing = 1 - state.evidence[rows]
        # Where this window would make the evidence enough; or leave it so, which is further in.
        reach = self._shift / 2 + missing * self._boundary * self._noise(state, rows) / self._shift
        return Reading(
            score=score,
            expected=fellows,
            lower=np.full(rows.size, -np.inf),
            upper=np.where(known & (missing <= STEP), fellows * _exp(reach), np.inf),
            above=values > fellows,
            column=first_column(rows),
        )

    def learn(self, rows: Rows, values: Floats, weights: Floats | float = 1.0) -> None:
        state = self.state = grown(self.state, rows)
        distance = self._distance(state, rows, values)
        known = np.isfinite(distance)
        # Also what is not to be learned is evidence; the spread is what is learned.
        state.evidence[rows] = self._added(state, rows, distance)
        self._learn_spread(state, rows[known], distance[known], (weights * known)[known])
        logs, first = np.log(np.maximum(values, self._floor)), 1 / (state.seen[rows] + 1)
        state.level[rows] += np.maximum(self._level_weight, first) * (logs - state.level[rows])
        state.past[rows] += weights * np.maximum(self._weight, first) * (logs - state.past[rows])
        state.heard[rows] = state.heard.max() + 1
        state.seen[rows] += 1

    def merged(self, state: CusumState) -> CusumState:
        """Only the spread is about a kind of series; the rest is of this moment."""
        kin = cleared(picked(state, np.zeros(1, np.int64)), 0)
        variance = weighted(state.seen, state.variance)
        return replace(kin, seen=state.seen.sum(keepdims=True), variance=variance)

    def inherit(self, row: int, kin: CusumState) -> None:
        """Instead of the spread that is believed of a series nobody knows; as much as that."""
        if kin.seen[0] >= PRIOR:
            self.state.variance[row] = kin.variance[0]

    def _learn_spread(
        self, state: CusumState, rows: Rows, distance: Floats, weights: Floats
    ) -> None:
        gain = weights * np.maximum(self._weight, 1 / (state.seen[rows] + PRIOR))
        # Cut off, or the first windows of a shift would pass for noise and hide the rest of it.
        square = np.minimum(distance**2, CUT**2 * self._noise(state, rows))
        # What is on trial is no witness of what is usual.
        gain = np.where(state.evidence[rows] < 1, gain, 0.0)
        state.variance[rows] += gain * (square - state.variance[rows])

    def _distance(self, state: CusumState, rows: Rows, values: Floats) -> Floats:
        """x, NaN where there is nothing to compare with."""
        ready = state.seen >= self._warmup
        # An idle fellow has no value just now; what it showed a moment ago will do.
        counts = ready & (state.heard > state.heard.max(initial=0) - self._recent)
        counts &= np.isin(state.group, state.group[rows])
        at = np.union1d(rows, np.flatnonzero(counts))
        now, past = (
            median_of_others(levels[at], state.group[at], counts[at])
            for levels in (state.level, state.past)
        )
        fellows = np.maximum(now, past)[np.searchsorted(at, rows)]
        distance = np.log(np.maximum(values, self._floor)) - fellows
        return np.where(ready[rows], distance, np.nan)

    def _noise(self, state: CusumState, rows: Rows) -> Floats:
        return np.maximum(state.variance[rows], self._spread**2)

    def _added(self, state: CusumState, rows: Rows, distance: Floats) -> Floats:
        """The evidence with this window's taken in, as a score."""
        ratio = self._shift / self._noise(state, rows) * (distance - self._shift / 2)
        more = np.minimum(np.nan_to_num(ratio) / self._boundary, STEP)
        return np.clip(state.evidence[rows] + more, 0.0, MOST)


def _exp(logs: Floats) -> Floats:
    return np.asarray(np.exp(np.clip(np.nan_to_num(logs), -50, 50)))
