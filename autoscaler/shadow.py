"""What a purely reactive scaler would have done with the same demand: a fluid model of it."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

from streams.clock import SECOND_US

SYNC_S: Final = 15
"""How often the usual horizontal autoscaler looks."""
TOLERANCE: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms on which both scalers work: the same pool, start delay, target and SLO."""

    slots: int
    service_s: float
    lead_s: float
    slo_queue_s: float
    target_ratio: float
    scale_down_after_s: float
    low: int
    high: int


class Reactive:
    """``desired = ceil((in flight + queued) / (slots * target))`` every 15 s, by its own queue.

    Work flows: arrivals enter a queue, free slots take from it for ``service_s``. What comes while
    the queue is longer than the slots can take within the SLO's wait is missed. Being fluid,
    it has no luck and no bad luck: its misses are a lower bound.
    """

    def __init__(self, replicas: int) -> None:
        self.ready = replicas
        self.wanted = replicas
        self._starting: deque[tuple[int, int]] = deque()
        self._recent: deque[tuple[int, int]] = deque(maxlen=4_096)
        self._in_service = 0.0
        self._queue = 0.0
        self._missed = 0.0
        self._synced_us = 0

    def second(self, now_us: int, arrived: int, terms: Terms) -> None:
        """Advance by one second in which so many requests arrived."""
        if not self._recent:  # it knows of nothing but its size when it begins
            self._recent.append((now_us, self.ready))
            self._synced_us = now_us
        while self._starting and self._starting[0][0] <= now_us:
            self.ready += self._starting.popleft()[1]
        self._flow(arrived, terms)
        if now_us - self._synced_us >= SYNC_S * SECOND_US:
            self._synced_us = now_us
            self._sync(now_us, terms)

    def take_missed(self) -> int:
        """Whole requests missed since the last call; the rest is carried on."""
        whole = int(self._missed)
        self._missed -= whole
        return whole

    def _flow(self, arrived: int, terms: Terms) -> None:
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
        self._missed += min(arrived, max(0.0, self._queue - allowed))

    def _sync(self, now_us: int, terms: Terms) -> None:
        held = self._in_service + self._queue
        present = self.ready + sum(count for _, count in self._starting)
        usable = terms.slots * terms.target_ratio
        wanted = math.ceil(held / usable - 1e-9)
        if present and abs(held / (present * usable) - 1) <= TOLERANCE:
            wanted = present
        wanted = min(max(wanted, terms.low), terms.high)
        self._recent.append((now_us, wanted))
        while self._recent[0][0] < now_us - terms.scale_down_after_s * SECOND_US:
            self._recent.popleft()
        if wanted < present:
            wanted = min(present, max(size for _, size in self._recent))
        self.wanted = wanted
        if wanted > present:
            ready_us = now_us + round(terms.lead_s * SECOND_US)
            self._starting.append((ready_us, wanted - present))
        else:
            self._let_go(present - wanted)

    def _let_go(self, surplus: int) -> None:
        """What is not ready yet goes first, the last ordered before the others."""
        while surplus and self._starting:
            ready_us, count = self._starting.pop()
            gone = min(count, surplus)
            surplus -= gone
            if count > gone:
                self._starting.append((ready_us, count - gone))
        self.ready -= surplus
