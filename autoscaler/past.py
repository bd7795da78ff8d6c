"""What `pools` says of a time before this DRIVE: sizes, names in use, replicas left behind."""

from collections.abc import Iterable
from typing import Final

from streams.batch import Message
from streams.codec import decode_record
from streams.errors import CorruptMessageError
from streams.schemas.scaling import PoolStatus, ReplicaStatus
from streams.schemas.telemetry import Change
from streams.stage import Out

ACTOR: Final = "tidegate drive"


class Past:
    """The end of what earlier drivers wrote; unreadable records are skipped."""

    def __init__(self) -> None:
        self._sizes: dict[str, int] = {}
        self._numbers: dict[str, int] = {}
        self._alive: dict[str, ReplicaStatus] = {}

    def feed(self, messages: Iterable[Message]) -> None:
        for message in messages:
            key = (message.key or b"").decode("utf-8", "replace")
            parts = key.split("/")
            try:
                if len(parts) == 2 and message.value:
                    self._sizes[key] = decode_record(message.value, PoolStatus).desired
                elif len(parts) == 3:
                    self._take_replica(key, parts, message.value)
            except CorruptMessageError:
                continue

    def _take_replica(self, key: str, parts: list[str], value: bytes | None) -> None:
        pool, number = "/".join(parts[:2]), parts[2].rpartition("-")[2]
        if number.isdecimal():
            self._numbers[pool] = max(int(number), self._numbers.get(pool, 0))
        self._alive.pop(key, None)
        status = decode_record(value, ReplicaStatus) if value else None
        if status and status.state not in {"failed", "stopped"}:
            self._alive[key] = status

    def size(self, pool: str) -> int | None:
        """The size that was wanted last; ``pool`` is ``cluster/pool``."""
        return self._sizes.get(pool)

    def next_number(self, pool: str) -> int:
        """Names are never used again, or two replicas would look like one."""
        return self._numbers.get(pool, 0) + 1

    def farewells(self, pool: str, now_us: int) -> list[Out]:
        """Records that end the replicas left behind: they ended with whoever ran them."""
        left = [status for key, status in sorted(self._alive.items()) if key.startswith(f"{pool}/")]
        return [out for status in left for out in _farewell(status, now_us)]


def _farewell(left: ReplicaStatus, now_us: int) -> tuple[Out, Out]:
    key = f"{left.cluster}/{left.pool}/{left.replica}"
    status = left.but(
        state="stopped", since_us=now_us, at_us=now_us, reason="ended with the process that ran it"
    )
    change = Change(
        id=f"{key}/replica_lost",
        at_us=now_us,
        kind="replica_lost",
        summary=f"{left.replica} ended with the process that ran it",
        actor=ACTOR,
        cluster=left.cluster,
        pool=left.pool,
        replica=left.replica,
    )
    return (
        Out(topic="pools", key=key, value=status),
        Out(topic="changes", key=change.id, value=change),
    )
