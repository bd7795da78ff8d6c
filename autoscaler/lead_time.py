"""Starts of replicas in, how long a new one takes out, phase by phase. Pure."""

import math
from collections import deque
from collections.abc import Mapping
from typing import Final

from streams.clock import SECOND_US
from streams.schemas.scaling import ReplicaStatus

WHOLE: Final = "start"
"""The only phase where a driver does not tell them apart."""
WAKE: Final = "wake"
"""The only phase of one that was woken and not started."""
PHASES: Final = ("schedule", "node", "image", "weights", "warm_up", "first_token")
OF_THE_MODEL: Final = (WHOLE, "image", "weights", "warm_up", "first_token")
"""What may take otherwise once engine or model have changed."""
REMEMBERED: Final = 20
CLOCK_S: Final = 1.0
"""Phases may add up to so much more than the whole: it is told to the look, not to the instant."""
FRESH_S: Final = 300.0
"""A replica that had its first request later was not waited for."""


class LeadTime:
    """Seconds from ordering a replica to its first token: for each phase the upper median of the
    last twenty starts, added up. Most starts need no new node: its usual time is then 0.

    >>> lead = LeadTime(prior_s=8)
    >>> lead.seconds()
    8.0
    """

    def __init__(self, prior_s: float) -> None:
        self.prior_s = float(prior_s)
        self._seen: dict[str, deque[float]] = {}
        self._replicas: deque[str] = deque(maxlen=200)
        self._answered: deque[str] = deque(maxlen=200)
        self._woken: deque[tuple[str, int]] = deque(maxlen=200)
        self._wakes: deque[float] = deque(maxlen=REMEMBERED)

    def see(self, replica: ReplicaStatus) -> None:
        """Takes each replica once, when it is ready and says when it was ordered."""
        if replica.state != "ready" or not replica.ordered_at_us:
            return
        if replica.since_us < replica.ordered_at_us:
            return
        if WAKE in replica.phases_s:
            self._see_wake(replica)
        if WAKE in replica.phases_s or replica.replica in self._replicas:
            return
        self._replicas.append(replica.replica)
        self._take(_phases(replica))

    def see_first_token(self, replica: ReplicaStatus, at_us: int, took_s: float) -> None:
        """The mean of the first requests of a replica; takes each replica once, while it is new."""
        name, fresh = replica.replica, at_us - replica.since_us <= FRESH_S * SECOND_US
        if not fresh or name not in self._replicas or name in self._answered:
            return
        self._answered.append(name)
        self._take({"first_token": took_s})

    def changed(self) -> None:
        """Another engine or model may be loaded: of what depends on it, one start remains."""
        for phase in OF_THE_MODEL:
            if seen := self._seen.get(phase):
                self._seen[phase] = deque([_upper_median(seen)], REMEMBERED)

    def _see_wake(self, replica: ReplicaStatus) -> None:
        wake = (replica.replica, replica.ordered_at_us)
        if wake not in self._woken and replica.phases_s[WAKE] >= 0:
            self._woken.append(wake)
            self._wakes.append(replica.phases_s[WAKE])

    def wake_s(self) -> float:
        """Usual seconds until one that was asleep serves; infinite until one was seen."""
        return _upper_median(self._wakes) if self._wakes else math.inf

    @property
    def learned(self) -> bool:
        return bool(self._replicas)

    def phases(self) -> Mapping[str, float]:
        """Usual seconds of each phase that was seen."""
        return {phase: _upper_median(seen) for phase, seen in self._seen.items()}

    def seconds(self) -> float:
        return sum(self.phases().values()) if self.learned else self.prior_s

    def slowest_s(self) -> float:
        """If each phase took as long as it did at most in the last twenty starts."""
        return sum(max(seen) for seen in self._seen.values()) if self.learned else self.prior_s

    def _take(self, phases: Mapping[str, float]) -> None:
        for phase, took_s in phases.items():
            self._seen.setdefault(phase, deque(maxlen=REMEMBERED)).append(took_s)


def _phases(replica: ReplicaStatus) -> Mapping[str, float]:
    """As the driver told them, unless they contradict the whole."""
    whole_s = (replica.since_us - replica.ordered_at_us) / SECOND_US
    told = {phase: replica.phases_s[phase] for phase in PHASES if phase in replica.phases_s}
    possible = all(math.isfinite(took_s) and took_s >= 0 for took_s in told.values())
    if not told or not possible or sum(told.values()) > whole_s + CLOCK_S:
        return {WHOLE: whole_s}
    return told


def _upper_median(seen: deque[float]) -> float:
    return sorted(seen)[len(seen) // 2]
