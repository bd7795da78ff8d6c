"""Demand changes as it did one season ago; where there is no such history, it stays as it is."""

from collections import deque

import numpy as np

from autoscaler.forecasters.hindcast import Hindcast
from streams.errors import InvalidParameterError
from streams.windows.table import Floats, Ints


class SeasonalNaive(Hindcast):
    """``forecast(h) = past(t + h) + kept_ratio * (value(t) - past(t))``, past one season earlier.

    The past is kept as means of ``bucket_s`` and smoothed over five of them. Two seasons and what
    the errors need are remembered, the rest is forgotten.

    season_s: length of a season in seconds.
    kept_ratio: how much of today's difference from the past lasts until the horizon.
    """

    def __init__(
        self,
        *,
        step_s: float = 1.0,
        memory: int = 900,
        season_s: float = 86_400.0,
        bucket_s: float = 60.0,
        kept_ratio: float = 0.8,
    ) -> None:
        super().__init__(step_s=step_s, memory=memory)
        self._steps_per_bucket = max(1, round(bucket_s / step_s))
        self._season = round(season_s / (self._steps_per_bucket * step_s))
        if self._season < 2:
            raise InvalidParameterError("season_s", season_s, "at least two buckets")
        self._kept = kept_ratio
        self._sum, self._count = 0.0, 0
        self._at: deque[int] = deque(maxlen=memory)
        self._first_bucket: int | None = None
        self._means: deque[float] = deque(maxlen=2 * self._season + memory)

    def points(self, steps: int) -> Floats:
        values = self.values()
        at = np.array(self._at)
        past_now, past_then = self._past(at), self._past(at + steps)
        seasonal = past_then + self._kept * (values - past_now)
        return np.where(np.isfinite(seasonal), seasonal, values)

    def learn(self, at: int, value: float) -> None:
        bucket = at // self._steps_per_bucket
        if self._at and self._at[-1] // self._steps_per_bucket != bucket:
            self._close(self._at[-1] // self._steps_per_bucket, bucket)
        self._at.append(at)
        self._sum += value
        self._count += 1

    def _close(self, bucket: int, following: int) -> None:
        """The bucket is complete; what lies between it and the following one repeats it."""
        mean = self._sum / self._count
        if self._first_bucket is None:
            self._first_bucket = bucket
        missing = min(following - bucket, self._means.maxlen or 0)
        if len(self._means) + missing > (self._means.maxlen or 0):
            self._first_bucket += len(self._means) + missing - (self._means.maxlen or 0)
        self._means.extend([mean] * missing)
        self._sum, self._count = 0.0, 0

    def _past(self, at: Ints) -> Floats:
        """Demand one season before each step, NaN where that is not remembered."""
        if not self._means or self._first_bucket is None:
            return np.full(at.size, np.nan)
        means = np.array(self._means)
        weights = np.convolve(np.ones(means.size), np.ones(5), "same")
        smooth = np.convolve(means, np.ones(5), "same") / weights
        # Between the middles of two buckets lies what lies between their means.
        place = (at + 0.5) / self._steps_per_bucket - 0.5 - self._season - self._first_bucket
        past = np.interp(place, np.arange(smooth.size), smooth)
        return np.where((place >= 0) & (place <= smooth.size - 3), past, np.nan)
