"""Kubernetes' HorizontalPodAutoscaler on a metric of the pods."""

from typing import Final

from autoscaler.backtest.peers.behaviour import Behaviour
from autoscaler.backtest.policy import Seen, Shape
from autoscaler.plan import whole

TOLERANCE: Final = 0.1
WINDOW_S: Final = 15


class Hpa:
    """``replicas = ceil(ready · usage / target)`` unless within 10 % of the target.

    Usage is the share of slots in use, which cannot exceed 1. Pods that are not ready count as at
    their target on the way down, as idle on the way up.
    Source: Kubernetes, pkg/controller/podautoscaler/replica_calculator.go
    (calcPlainMetricReplicas).
    """

    def __init__(self, shape: Shape, target_ratio: float) -> None:
        self._slots = shape.slots
        self._target = target_ratio
        self._behaviour = Behaviour()

    def decide(self, seen: Seen) -> int:
        return self._behaviour(seen.now_s, seen.ordered, self.recommend(seen))

    def recommend(self, seen: Seen) -> int:
        if not seen.ready:
            return seen.ordered
        usage = self.held(seen) / max(1.0, seen.mean(seen.seconds.ready, WINDOW_S)) / self._slots
        ratio, pods = usage / self._target, seen.ready
        if seen.starting:
            without_metrics = 1.0 if ratio < 1 else 0.0
            before, pods = ratio, seen.ordered
            ratio = (before * seen.ready + without_metrics * seen.starting) / pods
            if (before < 1) != (ratio < 1):
                return seen.ordered
        return seen.ordered if abs(1 - ratio) <= TOLERANCE else whole(ratio * pods)

    def held(self, seen: Seen) -> float:
        """Requests that are counted as load."""
        return seen.mean(seen.seconds.in_flight, WINDOW_S)


class HpaConcurrency(Hpa):
    """The same on requests in flight and waiting, which goes on growing with the queue."""

    def held(self, seen: Seen) -> float:
        return super().held(seen) + seen.mean(seen.seconds.queued, WINDOW_S)
