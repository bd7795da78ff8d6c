"""KEDA's Prometheus trigger: an HPA on an external metric, as a total."""

from typing import Final

from autoscaler.backtest.peers.behaviour import Behaviour
from autoscaler.backtest.peers.hpa import TOLERANCE, WINDOW_S
from autoscaler.backtest.policy import Seen, Shape
from autoscaler.plan import whole

QUEUE: Final = 5.0


class Keda:
    """``replicas = ceil(total / threshold)`` unless within 10 % of it; at least one.

    The total is requests in flight and waiting, the threshold ``target · slots``.
    Source: KEDA 2.x, metricType AverageValue; Kubernetes, replica_calculator.go
    (GetExternalPerPodMetricReplicas).
    """

    def __init__(self, shape: Shape, target_ratio: float) -> None:
        self._threshold = target_ratio * shape.slots
        self._behaviour = Behaviour()

    def decide(self, seen: Seen) -> int:
        total, current = self.total(seen), seen.ordered
        if abs(1 - total / (self._threshold * current)) <= TOLERANCE:
            return self._behaviour(seen.now_s, current, current)
        return self._behaviour(seen.now_s, current, max(1, whole(total / self._threshold)))

    def total(self, seen: Seen) -> float:
        seconds = seen.seconds
        return seen.mean(seconds.in_flight, WINDOW_S) + seen.mean(seconds.queued, WINDOW_S)


class KedaQueue(Keda):
    """The same on ``num_requests_waiting`` alone, threshold 5, as vLLM's tutorial sets it.

    Source: vllm-project/production-stack, tutorials on autoscaling with KEDA.
    """

    def __init__(self, shape: Shape, waiting: float = QUEUE) -> None:
        super().__init__(shape, 1.0)
        self._threshold = waiting

    def total(self, seen: Seen) -> float:
        return seen.mean(seen.seconds.queued, WINDOW_S)
