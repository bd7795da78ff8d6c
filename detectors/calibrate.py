"""Raw score in, 1.0 at the boundary out: how rare a score is given the series' own past."""

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from detectors.banks.base import Bools, Cells, Floats, bounded, cleared, grown
from detectors.moments import weighted

WEEK_S: Final = 604_800.0
CLUSTER_S: Final = 10.0
"""Alarms come in clusters: this many seconds in a row are one."""
TAIL_FROM: Final = 0.5
"""Raw score at which the tail begins that is fitted."""
USUAL_SHARE: Final = 0.1
"""Share of raw scores in the tail that a series is taken to have until it shows more."""
MOST: Final = 5.0
"""Raw scores enter the fit up to here: one outage must not raise the boundary for hours."""
BELIEF: Final = 60.0
"""So many scores in the tail of a quiet series are what a new one starts out with."""


def alpha_for(false_pages_per_week: float, judgements: int) -> float:
    """Probability at the boundary, so that ``judgements`` scores per window stay in the budget.

    >>> f"{alpha_for(1, 100):.1e}"
    '1.7e-07'
    """
    chances = WEEK_S / CLUSTER_S * max(1, judgements)
    return min(0.01, max(1e-12, false_pages_per_week / chances))


@dataclass(slots=True)
class CalibrationState:
    """[row, member]; everything a checkpoint has to keep."""

    seen: Floats
    share: Floats
    """Weighted share of raw scores above ``TAIL_FROM``."""
    tail: Floats
    """Weighted number of scores in the tail."""
    excess: Floats
    """Weighted sum of how far they lie in it."""
    schema: Literal[2] = field(default=2, kw_only=True)


class Calibration:
    """Exponential tail of a series' own raw scores, those of each member by themselves.

    ``P(raw > s) = share * exp(-(s - 0.5) / mean excess)`` for s above 0.5, ``score = log p / log
    alpha``. Share and excess are never taken to be smaller than a quiet series would have them, and
    the score is never above the raw one: a young or quiet series keeps the bank's own boundary,
    a restless one gets a wider one.

    members: detectors whose scores there are of each series.
    half_life_s: seconds after which a score counts half.
    """

    def __init__(self, *, members: int, half_life_s: float = 1_800.0, step_s: float = 1.0) -> None:
        self._weight = 1 - 0.5 ** (step_s / half_life_s)
        self.worth = np.ones(members)
        """By member, how many times an equal share of alpha it gets."""
        self.state = CalibrationState(*(np.zeros((0, members)) for _ in range(4)))

    def admit(self, row: int) -> None:
        self.state = cleared(self.state, row)

    @staticmethod
    def merged(state: CalibrationState) -> CalibrationState:
        """A state of one row, as if one series had shown what all rows have."""
        share = weighted(state.seen, state.share)
        sums = (one.sum(axis=0, keepdims=True) for one in (state.seen, state.tail, state.excess))
        seen, tail, excess = sums
        return CalibrationState(seen, share, tail, excess)

    def inherit(self, row: int, kin: CalibrationState, members: Bools) -> None:
        """What its kin show counts as ``BELIEF`` scores of its own, and as many in its tail."""
        state, mine = self.state, np.flatnonzero(members & (kin.seen[0] >= BELIEF))
        part = np.minimum(1.0, BELIEF / np.maximum(kin.tail[0, mine], 1e-9))
        state.seen[row, mine] = BELIEF
        state.share[row, mine] = kin.share[0, mine]
        state.tail[row, mine] = kin.tail[0, mine] * part
        state.excess[row, mine] = kin.excess[0, mine] * part

    def tail_probability(self, cells: Cells, raw: Floats, alpha: float) -> Floats:
        """How likely the series shows a raw score as high as this one or higher."""
        share, excess = self._fit(cells, alpha)
        inside = np.exp(np.log(share) * np.minimum(raw, TAIL_FROM) / TAIL_FROM)
        beyond = np.exp(-np.minimum(np.maximum(raw - TAIL_FROM, 0) / excess, 600))
        return inside * beyond

    def score(self, cells: Cells, raw: Floats, alpha: float) -> Floats:
        """1.0 where the tail probability is the member's share of ``alpha``, or where the raw score
        is 1.0 if later.
        """
        rarity = np.log(np.maximum(self.tail_probability(cells, raw, alpha), 1e-300))
        return bounded(np.minimum(rarity / np.log(alpha * self.worth[cells[1]]), raw))

    def boundary(self, cells: Cells, alpha: float) -> Floats:
        """The raw score at which the score is 1.0; at least 1."""
        share, excess = self._fit(cells, alpha)
        mine = alpha * self.worth[cells[1]]
        return np.maximum(1.0, TAIL_FROM + excess * np.log(share / mine))

    def learn(self, cells: Cells, raw: Floats, weights: Floats) -> None:
        state = self.state = grown(self.state, cells[0])
        gain = weights * np.maximum(self._weight, 1 / (state.seen[cells] + 1))
        above = raw > TAIL_FROM
        state.share[cells] += gain * (above - state.share[cells])
        state.seen[cells] += 1
        tail = cells[0][above], cells[1][above]
        keep = 1 - self._weight
        far = np.minimum(raw[above], MOST) - TAIL_FROM
        state.tail[tail] = keep * state.tail[tail] + weights[above]
        state.excess[tail] = keep * state.excess[tail] + weights[above] * far

    def _fit(self, cells: Cells, alpha: float) -> tuple[Floats, Floats]:
        state = grown(self.state, cells[0])
        # At these two the boundary is the raw score 1.0 exactly.
        least = (1 - TAIL_FROM) / np.log(USUAL_SHARE / alpha)
        share = np.clip(state.share[cells], USUAL_SHARE, 0.999)
        total = BELIEF * least + state.excess[cells]
        return share, np.maximum(total / (BELIEF + state.tail[cells]), least)
