"""What a purely reactive scaler would have done with the same demand."""

import math
from collections import deque
from typing import Final

from autoscaler.fleet import Fleet, Terms
from streams.clock import SECOND_US

SYNC_S: Final = 15
"""How often the usual horizontal autoscaler looks."""
TOLERANCE: Final = 0.1


class Reactive:
    """``desired = ceil((in flight + queued) / (slots * target))`` every 15 s, by its own queue."""

    def __init__(self, replicas: int) -> None:
        self.wanted = replicas
        self._fleet = Fleet(replicas)
        self._recent: deque[tuple[int, int]] = deque(maxlen=4_096)
        self._missed = 0.0
        self._synced_us = 0

    @property
    def ready(self) -> int:
        return self._fleet.ready

    def second(self, now_us: int, arrived: int, terms: Terms) -> None:
        """Advance by one second in which so many requests arrived."""
        if not self._recent:  # it knows of nothing but its size when it begins
            self._recent.append((now_us, self.ready))
            self._synced_us = now_us
        self._missed += self._fleet.second(now_us, arrived, terms)
        if now_us - self._synced_us >= SYNC_S * SECOND_US:
            self._synced_us = now_us
            self._sync(now_us, terms)

    def take_missed(self) -> int:
        """Whole requests missed since the last call; the rest is carried on."""
        whole = int(self._missed)
        self._missed -= whole
        return whole

    def _sync(self, now_us: int, terms: Terms) -> None:
        present = self._fleet.size
        usable = terms.slots * terms.target_ratio
        wanted = math.ceil(self._fleet.held / usable - 1e-9)
        if present and abs(self._fleet.held / (present * usable) - 1) <= TOLERANCE:
            wanted = present
        wanted = min(max(wanted, terms.low), terms.high)
        self._recent.append((now_us, wanted))
        while self._recent[0][0] < now_us - terms.scale_down_after_s * SECOND_US:
            self._recent.popleft()
        if wanted < present:
            wanted = min(present, max(size for _, size in self._recent))
        self.wanted = wanted
        self._fleet.order(now_us, wanted, terms.lead_s)
