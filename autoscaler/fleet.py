"""Sizes and arrivals in, what a pool of such sizes would have missed out: a fluid model. Pure."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from autoscaler.settings import ScalingSettings
from model_backend.settings import PoolSettings
from streams.clock import SECOND_US

PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms on which all sizes are judged: the same pool, start delay, target and SLO."""

    slots: int
    service_s: float
    """How long a request holds a slot of a full replica."""
    stretch: float = 1.0
    """How much longer that is than it does in those of now."""
    lead_s: float
    slo_queue_s: float
    target_ratio: float
    scale_down_after_s: float
    low: int
    high: int


def terms_of(pool: PoolSettings, scaling: ScalingSettings, **learned: float) -> Terms:
    """learned: `slots`, `service_s`, `stretch`, `lead_s`."""
    return Terms(
        slots=int(learned["slots"]),
        service_s=learned["service_s"],
        stretch=learned["stretch"],
        lead_s=learned["lead_s"],
        slo_queue_s=pool.longest_wait_s,
        target_ratio=scaling.target_ratio,
        scale_down_after_s=scaling.scale_down_after_s,
        low=pool.min_replicas,
        high=pool.max_replicas,
    )


class Fleet:
    """Replicas that are ready a lead time after their order, and the requests before and in them.

    ``held' = held + arrived - min(held, slots) / service_s``: work flows, without luck. What comes
    while more is held than the slots can take within the SLO's wait is missed; nobody waits longer
    than a minute.
    """

    def __init__(self, ready: int) -> None:
        self.ready = ready
        self.held = 0.0
        """Requests in slots or waiting for one."""
        self._starting: deque[tuple[int, int]] = deque()

    @property
    def size(self) -> int:
        """Ready or starting."""
        return self.ready + sum(count for _, count in self._starting)

    def second(self, now_us: int, arrived: int, terms: Terms) -> float:
        """Advance by one second in which so many requests arrived; how many of them are missed."""
        while self._starting and self._starting[0][0] <= now_us:
            self.ready += self._starting.popleft()[1]
        slots, before = self.ready * terms.slots, self.held
        per_s = 1 / max(terms.service_s, 0.001)
        # Half of a second's flow goes out with what comes: else short requests would pile up.
        self.held = max(0.0, (before * (1 - per_s / 2) + arrived) / (1 + per_s / 2))
        if before + self.held > 2 * slots:
            self.held = max(0.0, before + arrived - per_s * slots)
        if slots:
            self.held = min(self.held, slots * (1 + per_s * PATIENCE_S))
        return min(arrived, max(0.0, self.held - slots * (1 + per_s * terms.slo_queue_s)))

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
