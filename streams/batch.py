"""What a stage reads: records of one partition's log, with the exact interval they cover."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import overload

import msgspec
import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


class Message(msgspec.Struct, frozen=True, gc=False):
    """One record of a log; ``topic`` without prefix, ``timestamp_us`` as the broker keeps it.

    Those of a batch come without ``headers``.
    """

    topic: str
    partition: int
    offset: int
    timestamp_us: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Records(Sequence[Message]):
    """Messages of one partition as columns; a Message is made only of the ones asked for."""

    topic: str
    partition: int
    offsets: Ints
    timestamps_us: Ints
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]

    @classmethod
    def of(cls, messages: Sequence[Message]) -> "Records":
        """Messages that may have been made one by one."""
        if isinstance(messages, Records):
            return messages
        topic, partition = (messages[0].topic, messages[0].partition) if messages else ("", 0)
        return cls(
            topic,
            partition,
            np.array([message.offset for message in messages], np.int64),
            np.array([message.timestamp_us for message in messages], np.int64),
            [message.key for message in messages],
            [message.value for message in messages],
        )

    @classmethod
    def joined(cls, parts: Sequence["Records"]) -> "Records":
        """At least one part, one after the other."""
        return cls(
            parts[0].topic,
            parts[0].partition,
            np.concatenate([part.offsets for part in parts]),
            np.concatenate([part.timestamps_us for part in parts]),
            list(chain.from_iterable(part.keys for part in parts)),
            list(chain.from_iterable(part.values for part in parts)),
        )

    @property
    def size_bytes(self) -> int:
        """Of all values."""
        return sum(len(value) for value in self.values if value)

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, at: int) -> Message: ...
    @overload
    def __getitem__(self, at: slice) -> list[Message]: ...
    def __getitem__(self, at: int | slice) -> Message | list[Message]:
        if isinstance(at, slice):
            return [self[place] for place in range(*at.indices(len(self)))]
        return Message(
            self.topic,
            self.partition,
            int(self.offsets[at]),
            int(self.timestamps_us[at]),
            self.keys[at],
            self.values[at],
        )


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

    @property
    def records(self) -> Records:
        """The same as columns: where there are many, read them here."""
        return Records.of(self.messages)


def joined(batches: Sequence[RecordBatch]) -> RecordBatch:
    """Adjacent batches of one partition as one."""
    if len(batches) == 1:
        return batches[0]
    first = batches[0]
    records = Records.joined([batch.records for batch in batches])
    return RecordBatch(first.topic, first.partition, first.start, batches[-1].next, records)
