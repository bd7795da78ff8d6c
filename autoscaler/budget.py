"""Misses in, the quantile to plan for out: the target that tunes itself to the SLO budget."""

import math
from typing import Final

STEP_S: Final = 10
SPENT_RATIO: Final = 0.7
"""Aim at so much of the budget: what happens tomorrow is not known."""
GAIN: Final = 0.03
"""Logits a step in which everything is missed; a day without a miss moves 1.8 at 1 % budget."""
LOWEST, HIGHEST = -6.0, 4.5
"""Logits: p0.25 and p99. Beyond, a long peace or a long outage would take days to unlearn."""
KEPT_TIMES: Final = 1 / 55
"""Replicas are kept that a pool would order whose budget is so many times as large."""
ODDS, ODDS_S = 120.0, 140.0
"""Between where five pools come to rest and the careful side of it."""
RATE_STEPS: Final = 8_640
"""Steps over which the usual number of arrivals is averaged."""


class Budget:
    """``logit(quantile) += gain * (missed - budget * arrived) / usual arrivals``.

    A slow integral control (adaptive conformal inference, Gibbs and Candès 2021): a day in which
    nothing is missed pays for the surge that nobody could see coming, and the other way round.

    It starts from odds of ``120 * budget * horizon / (horizon + 140 s)`` that the highest demand
    until the horizon is more than planned for: of a longer one, a shorter part is spent so.
    """

    def __init__(self, budget_ratio: float) -> None:
        self._budget = budget_ratio
        self._lent = 0.0
        self._odds = ODDS * budget_ratio
        self._learned = 0.0
        self._seconds = self._arrived = self._missed = 0
        self._usual = self._lost = self._steps = 0.0

    @property
    def unspent(self) -> float:
        """Share of requests that might have missed and did not, over about a day."""
        lost = self._lost / self._usual if self._usual else 0.0
        return max(0.0, self._budget - lost)

    def borrow(self, unspent: float) -> None:
        """What is left of another budget may be spent as well."""
        self._lent = unspent

    def see(self, arrived: int, missed: int) -> None:
        """One second."""
        self._seconds += 1
        self._arrived += arrived
        self._missed += missed
        if self._seconds == STEP_S:
            self._step()

    def _step(self) -> None:
        self._steps = min(self._steps + 1, RATE_STEPS)
        self._usual += (self._arrived - self._usual) / self._steps
        self._lost += (self._missed - self._lost) / self._steps
        aim = SPENT_RATIO * (self._budget + self._lent)
        excess = self._missed - aim * self._arrived
        # Misses are told when they are over, maybe of many seconds at once.
        excess = max(-1.0, min(1.0, excess / max(1.0, self._usual)))
        self._learned = max(-8.0, min(8.0, self._learned + GAIN * excess))
        self._seconds = self._arrived = self._missed = 0

    def quantile(self, horizon_s: float) -> float:
        start = math.log((horizon_s + ODDS_S) / (self._odds * max(1.0, horizon_s)))
        logit = max(LOWEST, min(HIGHEST, start + self._learned))
        self._learned = logit - start
        return 1 / (1 + math.exp(-logit))


def of_other_budget(quantile: float, times: float) -> float:
    """The quantile of a pool whose budget of misses is so many times as large.

    The odds that demand is more than planned for go with the budget.

    >>> round(of_other_budget(0.9, 0.5), 3), round(of_other_budget(0.9, 2.0), 3)
    (0.947, 0.818)
    """
    odds = times * (1 - quantile) / quantile
    return 1 / (1 + odds)
