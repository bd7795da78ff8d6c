"""The best fixed headroom in hindsight: what can be had without knowing the future."""

from typing import Final

from autoscaler.backtest.policy import Seen, Shape
from autoscaler.highest import Highest
from autoscaler.plan import whole

HEADROOMS: Final = (2.0, 1.7, 1.45, 1.3, 1.15, 1.0, 0.85, 0.7)
LEAST_HOLD_S: Final = 60


class Hindsight:
    """``replicas = ceil(headroom · highest load within a cold start / slots)``, on fresh figures.

    Load is what is in flight and waits. It learns nothing; which headroom was best on a trace is
    chosen afterwards, from the curve of all. What it misses then, the cold start made it miss.
    """

    def __init__(self, shape: Shape, headroom: float) -> None:
        self._per_replica = shape.slots / headroom
        # The newest second known is the one before ``until_s``.
        self._highest = Highest(round(max(LEAST_HOLD_S, shape.cold_start_s)) + 1)
        self._seen_s = 0

    def decide(self, seen: Seen) -> int:
        seconds = seen.seconds
        for at in range(self._seen_s, seen.until_s):
            self._highest.see(at, int(seconds.in_flight[at]) + int(seconds.queued[at]))
        self._seen_s = seen.until_s
        if not seen.until_s:
            return seen.ordered
        return max(1, whole(self._highest.since(seen.until_s) / self._per_replica))
