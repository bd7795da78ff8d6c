"""The best fixed headroom in hindsight: what can be had without knowing the future."""

from collections import deque
from typing import Final

from autoscaler.backtest.peers.behaviour import ceiling
from autoscaler.backtest.policy import Seen, Shape

HEADROOMS: Final = (2.0, 1.7, 1.45, 1.3, 1.15, 1.0)
LEAST_HOLD_S: Final = 60


class Hindsight:
    """``replicas = ceil(headroom · highest load within a cold start / slots)``, on fresh figures.

    Load is what is in flight and waits. It learns nothing; which headroom was best on a trace is
    chosen afterwards, from the curve of all. What it misses then, the cold start made it miss.
    """

    def __init__(self, shape: Shape, headroom: float) -> None:
        self._per_replica = shape.slots / headroom
        self._hold_s = max(LEAST_HOLD_S, shape.cold_start_s)
        self._highest: deque[tuple[int, int]] = deque()
        """Load by second, each lower than those before it."""
        self._seen_s = 0

    def decide(self, seen: Seen) -> int:
        seconds, highest = seen.seconds, self._highest
        for at in range(self._seen_s, seen.until_s):
            load = int(seconds.in_flight[at]) + int(seconds.queued[at])
            while highest and highest[-1][1] <= load:
                highest.pop()
            highest.append((at, load))
        self._seen_s = seen.until_s
        while highest and highest[0][0] < seen.until_s - self._hold_s:
            highest.popleft()
        return max(1, ceiling(highest[0][1] / self._per_replica)) if highest else seen.ordered
