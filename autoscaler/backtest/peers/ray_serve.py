"""Ray Serve's default policy on ongoing requests."""

from typing import Final

from autoscaler.backtest.policy import Seen, Shape
from autoscaler.plan import whole

LOOK_BACK_S: Final = 30
UP_DELAY_S: Final = 30
DOWN_DELAY_S: Final = 600


class RayServe:
    """``replicas = ceil(ongoing over 30 s / (target · slots))``, up after 30 s, down after 600 s.

    A change is made when every decision of the delay asked for one in its direction.
    Source: ray-project/ray@00590c4, python/ray/serve/autoscaling_policy.py; defaults of
    AutoscalingConfig.
    """

    def __init__(self, shape: Shape, target_ratio: float) -> None:
        self._target = target_ratio * shape.slots
        self._up_after = UP_DELAY_S // shape.tick_s
        self._down_after = DOWN_DELAY_S // shape.tick_s
        self._asked = 0
        """Decisions in a row that asked for more; negative: for fewer."""

    def decide(self, seen: Seen) -> int:
        seconds, current = seen.seconds, seen.ordered
        ongoing = seen.mean(seconds.in_flight, LOOK_BACK_S)
        ongoing += seen.mean(seconds.queued, LOOK_BACK_S)
        wanted = max(1, whole(ongoing / self._target))
        if wanted > current:
            self._asked = max(self._asked, 0) + 1
        elif wanted < current:
            self._asked = min(self._asked, 0) - 1
        else:
            self._asked = 0
        if -self._down_after <= self._asked <= self._up_after:
            return current
        self._asked = 0
        return wanted
