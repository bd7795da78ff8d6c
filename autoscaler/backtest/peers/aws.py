"""In the manner of AWS' predictive scaling: an hourly forecast that only adds, over tracking."""

from typing import Final

import numpy as np

from autoscaler.backtest.peers.hpa import HpaConcurrency
from autoscaler.backtest.policy import Floats, Seen, Shape
from autoscaler.plan import whole

HOUR_S: Final = 3_600
DAY_H: Final = 24
AHEAD_S: Final = 300
REFRESH_H: Final = 6
REMEMBERED_H: Final = 14 * DAY_H


class Aws:
    """The larger of target tracking and the mean load of this hour of the day, five minutes ahead.

    From 24 hours of history up to 14 days, made anew every six hours. The forecaster itself is
    AWS' own; the mean by hour stands in for it.
    Source: EC2 Auto Scaling user guide, "Predictive scaling" (forecast and scale, scale-out only,
    SchedulingBufferTime 300).
    """

    def __init__(self, shape: Shape, target_ratio: float) -> None:
        self._tracking = HpaConcurrency(shape, target_ratio)
        self._target = target_ratio * shape.slots
        self._hours: list[float] = []
        self._forecast: Floats | None = None
        self._made = -1

    def decide(self, seen: Seen) -> int:
        self._remember(seen)
        tracked = self._tracking.decide(seen)
        if self._forecast is None:
            return tracked
        hours = (seen.now_s // HOUR_S % DAY_H, (seen.now_s + AHEAD_S) // HOUR_S % DAY_H)
        load = max(float(self._forecast[hour]) for hour in hours)
        return max(tracked, whole(load / self._target))

    def _remember(self, seen: Seen) -> None:
        known = seen.until_s // HOUR_S
        while len(self._hours) < known:
            hour = slice(len(self._hours) * HOUR_S, (len(self._hours) + 1) * HOUR_S)
            held = seen.seconds.in_flight[hour].mean() + seen.seconds.queued[hour].mean()
            self._hours.append(float(held))
        if known >= DAY_H and known // REFRESH_H != self._made:
            self._made = known // REFRESH_H
            hour_of_day = np.arange(known)[-REMEMBERED_H:] % DAY_H
            sums = np.bincount(hour_of_day, self._hours[-REMEMBERED_H:], DAY_H)
            self._forecast = sums / np.bincount(hour_of_day, minlength=DAY_H)
