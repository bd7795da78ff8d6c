"""Sizes and arrivals in, what a pool of such sizes would have missed out: a fluid model. Pure."""

from collections import deque
from dataclasses import dataclass

from autoscaler.settings import ScalingSettings
from model_backend.settings import PoolSettings
from streams.clock import SECOND_US


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms on which all sizes are judged: the same pool, start delay, target and SLO."""

    slots: int
    service_s: float
    lead_s: float
    slo_queue_s: float
    target_ratio: float
    scale_down_after_s: float
    low: int
    high: int


def terms_of(
    pool: PoolSettings, scaling: ScalingSettings, *, slots: int, service_s: float, lead_s: float
) -> Terms:
    return Terms(
        slots=slots,
        service_s=service_s,
        lead_s=lead_s,
        slo_queue_s=pool.longest_wait_s,
        target_ratio=scaling.target_ratio,
        scale_down_after_s=scaling.scale_down_after_s,
        low=pool.min_replicas,
        high=pool.max_replicas,
    )


class Fleet:
    """Replicas that are ready a lead time after their order, with one queue before them.

    Work flows: arrivals enter the queue, free slots take from it for ``service_s``. What comes
    while the queue is longer than the slots can take within the SLO's wait is missed. Being fluid,
    it has no luck and no bad luck: its misses are a lower bound.
    """

    def __init__(self, ready: int) -> None:
        self.ready = ready
        self._starting: deque[tuple[int, int]] = deque()
        self._in_service = 0.0
        self._queue = 0.0

    @property
    def size(self) -> int:
        """Ready or starting."""
        return self.ready + sum(count for _, count in self._starting)

    @property
    def held(self) -> float:
        """Requests in service or in the queue."""
        return self._in_service + self._queue

    def second(self, now_us: int, arrived: int, terms: Terms) -> float:
        """Advance by one second in which so many requests arrived; how many of them are missed."""
        while self._starting and self._starting[0][0] <= now_us:
            self.ready += self._starting.popleft()[1]
        capacity = self.ready * terms.slots
        service_s = max(terms.service_s, 0.001)
        rate_per_s = capacity / service_s
        self._queue += arrived
        if service_s >= 1:
            self._in_service -= self._in_service / service_s
            taken = min(self._queue, max(0.0, capacity - self._in_service))
            self._in_service += taken
        else:
            taken = min(self._queue, rate_per_s)
            self._in_service = taken * service_s
        self._queue -= taken
        allowed = rate_per_s * terms.slo_queue_s
        return min(arrived, max(0.0, self._queue - allowed))

    def order(self, now_us: int, wanted: int, lead_s: float) -> None:
        """From now on, so many; what is too many is let go at once."""
        if wanted > self.size:
            self._starting.append((now_us + round(lead_s * SECOND_US), wanted - self.size))
        else:
            self._let_go(self.size - wanted)

    def _let_go(self, surplus: int) -> None:
        """What is not ready yet goes first, the last ordered before the others."""
        while surplus and self._starting:
            ready_us, count = self._starting.pop()
            gone = min(count, surplus)
            surplus -= gone
            if count > gone:
                self._starting.append((ready_us, count - gone))
        self.ready -= surplus
