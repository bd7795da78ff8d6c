"""Replicas as their driver tells of them in; what is on its way, overdue, failed or ordered out."""

from collections import deque
from collections.abc import Mapping
from typing import Final

from autoscaler.plan import overdue_after_s
from streams.clock import SECOND_US
from streams.schemas.scaling import ReplicaStatus

HOUR_US: Final = 3_600 * SECOND_US
FAILED_WITHIN_US: Final = 300 * SECOND_US
MAX_REPLICAS: Final = 2_000


class Orders:
    """The replicas of one pool, and the GPUs ordered for it within an hour."""

    def __init__(self) -> None:
        self._replicas: dict[str, ReplicaStatus] = {}
        self._failed_starts: deque[int] = deque(maxlen=100)
        self._ordered: deque[tuple[int, int]] = deque(maxlen=1_000)

    @property
    def replicas(self) -> Mapping[str, ReplicaStatus]:
        return self._replicas

    def see(self, name: str, replica: ReplicaStatus | None) -> None:
        """None: it is forgotten by its driver."""
        before = self._replicas.pop(name, None)
        if replica is None:
            return
        if len(self._replicas) >= MAX_REPLICAS:
            del self._replicas[next(iter(self._replicas))]
        self._replicas[name] = replica
        if replica.state == "failed" and before is not None and before.state == "starting":
            self._failed_starts.append(replica.since_us)

    def order(self, replicas: int, at_us: int) -> None:
        self._ordered.append((at_us, replicas * self.gpus_per_replica))

    def pending_s(self, now_us: int) -> float:
        """How long the oldest that is starting has been ordered."""
        return max(self._pending_s(now_us), default=0.0)

    def overdue(self, now_us: int, lead_s: float) -> int:
        """Those that should have been ready long ago."""
        return sum(late_s > overdue_after_s(lead_s) for late_s in self._pending_s(now_us))

    def failed_lately(self, now_us: int) -> int:
        return sum(at_us > now_us - FAILED_WITHIN_US for at_us in self._failed_starts)

    @property
    def gpus_per_replica(self) -> int:
        return max((replica.gpus for replica in self._replicas.values()), default=0) or 1

    def gpus_ordered(self, now_us: int) -> int:
        return sum(gpus for at_us, gpus in self._ordered if at_us > now_us - HOUR_US)

    def _pending_s(self, now_us: int) -> list[float]:
        return [
            max(0.0, (now_us - replica.ordered_at_us) / SECOND_US)
            for replica in self._replicas.values()
            if replica.state == "starting" and replica.ordered_at_us
        ]
