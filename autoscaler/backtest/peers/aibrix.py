"""AIBrix' own autoscaler (APA) on the use of its pods."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from autoscaler.backtest.policy import Seen, Shape
from autoscaler.plan import whole

WINDOW_S: Final = 180
TOLERANCE: Final = 0.1
RATE: Final = 2
COOLDOWN_S: Final = 300


class Aibrix:
    """``replicas = ceil(current · usage / target)`` outside 10 % of it, at most twice or half.

    Usage is the mean over 180 s. Going down takes the *lowest* recommendation of the last 300 s.
    Source: vllm-project/aibrix@e3e10f9, pkg/controller/podautoscaler/algorithm/apa.go.
    """

    def __init__(self, shape: Shape, target_ratio: float) -> None:
        self._target = target_ratio * shape.slots
        self._recommended: deque[tuple[int, int]] = deque()

    def decide(self, seen: Seen) -> int:
        current, wanted = seen.ordered, self._recommend(seen)
        self._recommended.append((seen.now_s, wanted))
        while self._recommended[0][0] <= seen.now_s - COOLDOWN_S:
            self._recommended.popleft()
        if wanted < current:
            wanted = min(current, self.stabilised([replicas for _, replicas in self._recommended]))
        return max(1, wanted)

    def stabilised(self, recommended: Sequence[int]) -> int:
        return min(recommended)

    def _recommend(self, seen: Seen) -> int:
        seconds, current = seen.seconds, seen.ordered
        pods = max(1.0, seen.mean(seconds.ready, WINDOW_S))
        ratio = seen.mean(seconds.in_flight, WINDOW_S) / pods / self._target
        if ratio > 1 + TOLERANCE:
            return min(whole(current * ratio), RATE * current)
        if ratio < 1 - TOLERANCE:
            return max(whole(current * ratio), current // RATE)
        return current


class AibrixHighest(Aibrix):
    """The same with the highest recommendation of the last 300 s: what it seems to mean."""

    def stabilised(self, recommended: Sequence[int]) -> int:
        return max(recommended)
