"""A level that moved for good, against the series' own long past: it needs no fellows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from detectors.banks.base import Floats, Reading, Rows, bounded, cleared, first_column, grown
from streams.errors import InvalidParameterError

MOST: Final = 2.0
"""Evidence is kept up to here, as a score: what has been shifted for an hour is well soon after,
and no value can speak for both directions."""
STEP: Final = 0.35
"""What one window adds at most, as a score: one outlier is no shift."""
CUT: Final = 3.0
"""A window teaches as if it were at most so many spreads away."""


@dataclass(slots=True)
class ShiftState:
    """One row per series; everything a snapshot has to keep."""

    seen: Floats
    mean: Floats
    variance: Floats
    evidence: Floats
    """As a score; above 0 for a shift upwards, below for one downwards."""
    schema: Literal[1] = field(default=1, kw_only=True)


class ShiftBank:
    """Page's cumulative sum in both directions, against a slow mean.

    With z the distance from the mean in spreads, and a shift of d spreads looked for, a window adds
    its log-likelihood ratio: ``up = max(0, up + d * (z - d / 2))``, ``down`` the same of -z; the
    greater is kept. ``score = max(up, down) / evidence``. For a given rate of false alarms no test
    finds a lasting shift sooner (Moustakides 1986). A shift that lasts becomes the mean.

    shift: how many of the series' spreads is looked for.
    evidence: log-likelihood ratio on the boundary: a series without a shift is beyond it about once
        in ``exp(evidence)`` windows if values were normal and independent.
    half_life_s: of mean and spread.
    warmup_s: seconds a series must have shown before it scores other than 0.
    floor: least spread believed, in the unit of the value; a series that never moved would
        otherwise never score.

    >>> bank, row = ShiftBank(shift=2, evidence=10, warmup_s=10), np.array([0])
    >>> for ttft_s in [0.20, 0.22] * 30 + [0.24] * 4:
    ...     bank.learn(row, np.array([ttft_s]))
    >>> [round(float(bank.score(row, np.array([x]))[0]), 1) for x in (0.21, 0.24, 9.0)]
    [1.1, 1.6, 1.7]
    """

    def __init__(  # noqa: PLR0913 (a bank's options, always by keyword)
        self,
        *,
        shift: float = 2.0,
        evidence: float = 20.0,
        half_life_s: float = 600.0,
        warmup_s: float = 60.0,
        floor: float = 0.0,
        step_s: float = 1.0,
    ) -> None:
        for name, value in (
            ("shift", shift),
            ("evidence", evidence),
            ("half_life_s", half_life_s),
        ):
            if not value > 0:
                raise InvalidParameterError(name, value, "more than 0")
        if floor < 0:
            raise InvalidParameterError("floor", floor, "0 or more")
        self.state = ShiftState(*(np.zeros(0) for _ in range(4)))
        self._shift, self._boundary, self._floor = shift, evidence, floor
        self._warmup = max(warmup_s / step_s, 2.0)
        self._weight = 1 - 0.5 ** (step_s / half_life_s)

    def admit(self, row: int, labels: Mapping[str, str]) -> None:  # noqa: ARG002
        self.state = cleared(self.state, row)

    def score(self, rows: Rows, values: Floats) -> Floats:
        state = grown(self.state, rows)
        return bounded(np.abs(self._added(state, rows, values)))

    def explain(self, rows: Rows, values: Floats) -> Reading:
        state = grown(self.state, rows)
        mean, evidence = state.mean[rows], state.evidence[rows]
        return Reading(
            score=self.score(rows, values),
            expected=mean,
            lower=mean - self._reach(state, rows, np.maximum(-evidence, 0)),
            upper=mean + self._reach(state, rows, np.maximum(evidence, 0)),
            above=values > mean,
            column=first_column(rows),
        )

    def learn(self, rows: Rows, values: Floats, weights: Floats | float = 1.0) -> None:
        state = self.state = grown(self.state, rows)
        # Also what is not to be learned is evidence; mean and spread are what is learned.
        state.evidence[rows] = self._added(state, rows, values)
        spread = self._spread(state, rows)
        most = np.where(spread > 0, CUT * spread, np.inf)
        error = np.clip(values - state.mean[rows], -most, most)
        gain = weights * np.maximum(self._weight, 1 / (state.seen[rows] + 1))
        state.variance[rows] = (1 - gain) * (state.variance[rows] + gain * error**2)
        state.mean[rows] += gain * error
        state.seen[rows] += 1

    def _spread(self, state: ShiftState, rows: Rows) -> Floats:
        """0 while the series is too young to tell, or never moved."""
        spread = np.maximum(np.sqrt(state.variance[rows]), self._floor)
        return np.where(state.seen[rows] >= self._warmup, spread, 0.0)

    def _added(self, state: ShiftState, rows: Rows, values: Floats) -> Floats:
        """The evidence with this window's taken in."""
        spread, away = self._spread(state, rows), values - state.mean[rows]
        z = np.divide(away, spread, out=np.zeros_like(away), where=spread > 0)
        up, down = (self._one_way(state.evidence[rows], z, side) for side in (1, -1))
        return np.where(up >= down, up, -down)

    def _one_way(self, evidence: Floats, z: Floats, side: int) -> Floats:
        more = self._shift * (side * z - self._shift / 2) / self._boundary
        gathered = np.maximum(side * evidence, 0) + np.minimum(more, STEP)
        return np.asarray(np.clip(gathered, 0.0, MOST))

    def _reach(self, state: ShiftState, rows: Rows, evidence: Floats) -> Floats:
        """How far out this window would make the evidence enough; infinite where it cannot."""
        missing, spread = 1 - evidence, self._spread(state, rows)
        reach = (missing * self._boundary / self._shift + self._shift / 2) * spread
        return np.where((missing <= STEP) & (spread > 0), reach, np.inf)
