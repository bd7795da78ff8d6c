"""Demand of a pool in, what is usual at a time of day out, without what was scheduled. Pure."""

from typing import Final

import numpy as np

from autoscaler.forecasters.level import Level
from streams.clock import SECOND_US

QUARTER_US: Final = 900 * SECOND_US
QUARTERS: Final = 96
LATE_HALF_LIFE_S: Final = 1_800


class Usual:
    """Mean demand of each quarter of an hour of the day; half of it is the last such day's.

    Where no such day was seen yet, what was usual lately stands in.

    >>> usual = Usual()
    >>> for second in range(900):
    ...     usual.see(second * SECOND_US, 4.0, scheduled=False)
    >>> usual.at(10 * QUARTER_US)
    4.0
    """

    def __init__(self) -> None:
        self._means = np.full(QUARTERS, np.nan)
        self._late = Level(LATE_HALF_LIFE_S)
        self._quarter = 0
        self._sum, self._count = 0.0, 0

    def see(self, at_us: int, demand: float, *, scheduled: bool) -> None:
        """scheduled: somebody said that it would be other than usual, so it teaches nothing."""
        if at_us // QUARTER_US != self._quarter:
            self._close()
            self._quarter = at_us // QUARTER_US
        if not scheduled:
            self._late.learn(demand)
            self._sum += demand
            self._count += 1

    def at(self, at_us: int) -> float:
        """Slots of demand."""
        mean = float(self._means[at_us // QUARTER_US % QUARTERS])
        return self._late.value if np.isnan(mean) else mean

    def _close(self) -> None:
        if self._count:
            place, mean = self._quarter % QUARTERS, self._sum / self._count
            before = float(self._means[place])
            self._means[place] = mean if np.isnan(before) else (before + mean) / 2
        self._sum, self._count = 0.0, 0
