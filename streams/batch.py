"""What a stage reads: records of one partition's log, with the exact interval they cover."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec


class Message(msgspec.Struct, frozen=True, gc=False):
    """One record of a log; ``topic`` without prefix, ``timestamp_us`` as the broker keeps it."""

    topic: str
    partition: int
    offset: int
    timestamp_us: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """All committed records of the log interval [start, next) of one partition, in order.

    It may be empty: transaction markers, aborted and compacted records take offsets too.
    """

    topic: str
    partition: int
    start: int
    next: int
    messages: Sequence[Message] = ()
