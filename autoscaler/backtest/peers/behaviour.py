"""How Kubernetes carries a recommendation out: up at once but bounded, down after five minutes."""

from collections import deque
from typing import Final

STABILISATION_S: Final = 300
MORE_PODS: Final = 4
"""Within a period, up by so many pods or to twice as many, whichever is more."""


class Behaviour:
    """The default ``behavior`` of a HorizontalPodAutoscaler, autoscaling/v2.

    Up to the recommendation, but at most by 4 pods or 100 % in ``period_s``; down only to the
    highest recommendation of the last 300 s.
    Source: Kubernetes, pkg/controller/podautoscaler/horizontal.go (normalizeDesiredReplicas…).
    """

    def __init__(self, period_s: int = 15) -> None:
        self._period_s = period_s
        self._recommended: deque[tuple[int, int]] = deque()
        self._had: deque[tuple[int, int]] = deque()

    def __call__(self, now_s: int, current: int, wanted: int) -> int:
        self._recommended.append((now_s, wanted))
        self._had.append((now_s, current))
        while self._recommended[0][0] <= now_s - STABILISATION_S:
            self._recommended.popleft()
        while self._had[0][0] <= now_s - self._period_s:
            self._had.popleft()
        if wanted > current:
            before = min(replicas for _, replicas in self._had)
            return min(wanted, max(before + MORE_PODS, 2 * before))
        return min(current, max(replicas for _, replicas in self._recommended))
