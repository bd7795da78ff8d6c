"""What `pools` says of a time before this DRIVE: sizes, names in use, replicas left behind."""

from collections.abc import Iterable

from streams.batched import Message
from streams.codec import decode_record
from streams.errors import CorruptMessageError
from streams.schemas.scaling import PoolStatus, ReplicaStatus
from streams.stage import Out


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
        """Records that end the replicas left behind: whoever ran them is gone."""
        return [
            Out(
                topic="pools",
                key=key,
                value=status.but(
                    state="stopped", since_us=now_us, at_us=now_us, reason="its driver ended"
                ),
            )
            for key, status in sorted(self._alive.items())
            if key.startswith(f"{pool}/")
        ]
