"""A pool that somebody else runs: its fixed addresses, and what we would have done to it."""

from collections import deque
from pathlib import Path

from model_backend.settings import PoolSettings
from streams.clock import Clock
from streams.log import get_logger
from streams.schemas.scaling import ReplicaStatus

REMEMBERED = 100

log = get_logger(__name__)


class DryRunPool:
    """Reports the replicas of ``PoolSettings.address`` as ready and touches none of them.

    would_have: the newest 100 things that were asked for, oldest first.
    """

    def __init__(
        self,
        pool: PoolSettings,
        *,
        clock: Clock,
        log_dir: Path,  # noqa: ARG002 - nothing of ours runs, so nothing writes a log
        first_number: int = 1,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._since_us = clock()
        self._first = first_number
        self.would_have: deque[str] = deque(maxlen=REMEMBERED)

    async def observe(self) -> list[ReplicaStatus]:
        now_us = self._clock()
        addresses = [part.strip().rstrip("/") for part in self._pool.address.split(",")]
        return [
            ReplicaStatus(
                cluster=self._pool.cluster,
                pool=self._pool.name,
                replica=f"{self._pool.name}-{number}",
                state="ready",
                since_us=self._since_us,
                at_us=now_us,
                address=address,
                metrics_address=f"{address}/metrics",
                slots=self._pool.slots,
                reason="fixed address",
            )
            for number, address in enumerate(filter(None, addresses), self._first)
        ]

    async def scale(self, size: int) -> None:
        self._remember(f"scale to {size}")

    async def drain(self, replica: str) -> None:
        self._remember(f"drain {replica}")

    async def sleep(self, replica: str) -> None:
        self._remember(f"put {replica} to sleep")

    async def wake(self, replica: str) -> None:
        self._remember(f"wake {replica}")

    async def stop(self, replica: str) -> None:
        self._remember(f"stop {replica}")

    async def close(self) -> None:
        """Nothing was started."""

    def _remember(self, action: str) -> None:
        # Asked again every half second while it is not done: said once.
        if not self.would_have or self.would_have[-1] != action:
            self.would_have.append(action)
            log.info("dry_run", pool=self._pool.name, would_have=action)
