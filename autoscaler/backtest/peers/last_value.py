"""The load of the last minute, a share of each slot left free: the simplest thing that scales."""

from typing import Final

from autoscaler.backtest.policy import Seen, Shape
from autoscaler.plan import whole

WINDOW_S: Final = 60


class LastValue:
    """``replicas = ceil((in flight + waiting over 60 s) / (target · slots))``, at once.

    Source: the naive forecast of Hyndman and Athanasopoulos, Forecasting, section 5.2.
    """

    def __init__(self, shape: Shape, target_ratio: float) -> None:
        self._target = target_ratio * shape.slots

    def decide(self, seen: Seen) -> int:
        seconds = seen.seconds
        held = seen.mean(seconds.in_flight, WINDOW_S) + seen.mean(seconds.queued, WINDOW_S)
        return max(1, whole(held / self._target))
