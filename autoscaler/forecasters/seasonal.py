"""Demand grows from here as it grew from here one season ago."""

from typing import Final

import numpy as np

from autoscaler.forecasters.recent import Recent
from streams.errors import InvalidParameterError

MINUTE_S: Final = 60
BEFORE_MINUTES, AROUND_MINUTES = 10, 5
LEAST, MOST = 0.6, 1.8
BELIEVED: Final = 0.5
"""Of the logarithm of the growth: no two days are the same."""


class Seasonal:
    """``recent * (demand a season before the horizon / demand a season before now) ** believed``.

    Demand is kept as means of minutes. Where there was no such season it stays as it is.

    season_s: length of a season, whole minutes.
    """

    def __init__(self, season_s: int = 86_400) -> None:
        if season_s < 2 * MINUTE_S or season_s % MINUTE_S:
            raise InvalidParameterError("season_s", season_s, "whole minutes, two at least")
        self._recent = Recent()
        self._season = season_s // MINUTE_S
        self._means = np.full(2 * self._season, np.nan)
        self._minute = -1
        self._sum, self._count = 0.0, 0
        self._ahead = 0
        self._growth: float | None = None

    def aim(self, horizon_s: float) -> None:
        self._ahead = min(round(horizon_s / MINUTE_S), self._season - AROUND_MINUTES)
        self._growth = None

    def learn(self, second: int, demand: float) -> None:
        self._recent.learn(second, demand)
        minute = second // MINUTE_S
        if minute != self._minute:
            self._close(minute)
        self._sum += demand
        self._count += 1

    def expects(self) -> float:
        if self._growth is None:
            self._growth = self._grew()
        return self._recent.expects() * self._growth

    def _close(self, following: int) -> None:
        size = self._means.size
        if self._count:
            skipped = np.arange(self._minute + 1, min(following + 1, self._minute + 1 + size))
            self._means[self._minute % size] = self._sum / self._count
            self._means[skipped % size] = np.nan
        self._minute, self._growth = following, None
        self._sum, self._count = 0.0, 0

    def _grew(self) -> float:
        now = self._minute - self._season
        then = now + self._ahead
        before = self._mean(now - BEFORE_MINUTES, now)
        after = self._mean(max(now, then - AROUND_MINUTES), then + AROUND_MINUTES)
        if not (before > 0 and after > 0):
            return 1.0
        growth: float = min(max(after / before, LEAST), MOST) ** BELIEVED
        return growth

    def _mean(self, start: int, end: int) -> float:
        """NaN where a minute is missing."""
        return float(self._means[np.arange(start, max(end, start + 1)) % self._means.size].mean())
