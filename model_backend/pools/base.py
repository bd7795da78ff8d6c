"""What a pool driver does for DRIVE: say what there is, and set a size."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from model_backend.settings import PoolSettings
from streams.clock import Clock
from streams.schemas.scaling import ReplicaStatus


class PoolDriver(Protocol):
    """The replicas of one pool, wherever they run. Sizes are set, never added to.

    Methods raise PoolDriverError when the orchestrator refuses; trying again does no harm.
    """

    def __init__(
        self, pool: PoolSettings, *, clock: Clock, log_dir: Path, first_number: int = 1
    ) -> None:
        """Nothing starts yet. Names are ``<pool>-<number>`` from ``first_number`` on."""
        ...

    async def observe(self) -> list[ReplicaStatus]:
        """Every replica there is, and for a while those that ended. Returns within a second.

        A replica that ended without being told to, or is ready and silent on /health for longer
        than ``unhealthy_after_s`` (it is killed), is ``failed``; one that was told to is
        ``stopped``. Neither comes back: a replacement has another name.
        """
        ...

    async def scale(self, size: int) -> None:
        """Make starting plus ready replicas ``size``: wake or start some, or let the surplus go.

        Those asleep are woken before any is started. Of the surplus, what is starting is stopped
        and what is ready is drained.
        """
        ...

    async def drain(self, replica: str) -> None:
        """Give it nothing more; it goes on until ``stop``. Unknown names are ignored."""
        ...

    async def sleep(self, replica: str) -> None:
        """Have one that has drained give up what it can; it is ``asleep`` once it has.

        To be asked again until then: raises PoolDriverError where it cannot, and it still drains.
        Unknown names are ignored.
        """
        ...

    async def wake(self, replica: str) -> None:
        """Have one that is asleep serve again: it is ``starting`` at once, ``ready`` once it does.

        Others are left as they are.
        """
        ...

    async def stop(self, replica: str) -> None:
        """End it, by force if it does not end by itself. Unknown names are ignored."""
        ...

    async def close(self) -> None:
        """End all that the driver started, and wait for it."""
        ...


def surplus(replicas: Sequence[ReplicaStatus], size: int) -> list[ReplicaStatus]:
    """Which of the starting and ready replicas go when only ``size`` may stay.

    What is not ready yet goes first, then the youngest: old ones have warm caches.
    """
    live = [replica for replica in reversed(replicas) if replica.state in {"starting", "ready"}]
    least_useful = sorted(live, key=lambda r: (r.state == "ready", -r.ordered_at_us))
    return least_useful[: max(0, len(live) - max(0, size))]
