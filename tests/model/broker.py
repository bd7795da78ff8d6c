"""A Kafka made of lists: logs with append times, transactions with fencing, committed offsets.

No I/O and no clock of its own. What the real one does and matters here: an open transaction holds
readers of committed records (the last stable offset), markers and aborted records take offsets, a
newer producer of the same transactional id fences the older one and settles what it left open.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from streams.batch import Message, RecordBatch
from streams.stage import Out

Source = tuple[str, int]
"""Topic and partition."""
Place = tuple[str, str, int]
"""Group, topic and partition."""
TIMEOUT_US: Final = 6_000_000
"""Of a transaction."""


class LostError(Exception):
    """Fenced, timed out, no answer: whoever sees it knows nothing of his transaction's fate."""


@dataclass(slots=True)
class Transaction:
    """``settled``: None while open, then whether it was committed."""

    began_us: int
    settled: bool | None = None
    logs: "dict[Source, Log]" = field(default_factory=dict)
    offsets: dict[Place, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    append_us: int
    key: bytes | None = None
    value: bytes | None = None
    transaction: Transaction | None = None
    marker: bool = False

    @property
    def is_open(self) -> bool:
        return self.transaction is not None and self.transaction.settled is None

    @property
    def is_seen(self) -> bool:
        """By a reader of committed records, once nothing before it is open."""
        return not self.marker and (self.transaction is None or self.transaction.settled is True)


class Log:
    """One partition."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.entries: list[Entry] = []
        self._stable = 0

    @property
    def end(self) -> int:
        """The high watermark."""
        return len(self.entries)

    @property
    def stable(self) -> int:
        """The last stable offset: nothing before it is open."""
        while self._stable < self.end and not self.entries[self._stable].is_open:
            self._stable += 1
        return self._stable

    def read(self, start: int, most: int) -> RecordBatch:
        """At most so many committed records from ``start`` on, with the interval they cover."""
        messages: list[Message] = []
        at = start
        while at < self.stable and len(messages) < most:
            entry = self.entries[at]
            if entry.is_seen:
                messages.append(self._message(at, entry))
            at += 1
        return RecordBatch(*self.source, start, at, messages)

    def _message(self, offset: int, entry: Entry) -> Message:
        return Message(*self.source, offset, entry.append_us, entry.key, entry.value)


class Broker:
    """All logs and what the coordinators know."""

    def __init__(self, now_us: int, partitions: Mapping[str, int]) -> None:
        self.now_us = now_us
        self.logs: dict[Source, Log] = {}
        self.committed: dict[Place, int] = {}
        self.behind: dict[Place, int | None] = {}
        """What a coordinator that has just come back shows instead."""
        self._epochs: dict[str, int] = {}
        self._open: dict[str, Transaction] = {}
        for topic, count in partitions.items():
            for partition in range(count):
                self.add_partition((topic, partition))

    def add_partition(self, source: Source) -> None:
        self.logs[source] = Log(source)

    def offset(self, place: Place) -> int | None:
        """What the coordinator says was committed."""
        return self.behind[place] if place in self.behind else self.committed.get(place)

    def advance(self, us: int) -> None:
        """Time passes; transactions that have been open for too long are aborted."""
        self.now_us += us
        for name, transaction in list(self._open.items()):
            if self.now_us - transaction.began_us > TIMEOUT_US:
                self._fence(name)

    def append(self, source: Source, key: bytes | None, value: bytes | None) -> None:
        """Outside of any transaction."""
        self.logs[source].entries.append(Entry(self.now_us, key, value))

    def hold(self, source: Source, value: bytes) -> Transaction:
        """Inside of somebody's transaction, which he has to settle and to mark."""
        transaction = Transaction(self.now_us)
        self.logs[source].entries.append(Entry(self.now_us, None, value, transaction))
        return transaction

    def mark(self, source: Source) -> None:
        self.logs[source].entries.append(Entry(self.now_us, marker=True))

    def newest(self, source: Source) -> list[Message]:
        """What a compacted log holds for a reader who stops at the last stable offset."""
        kept: dict[bytes | None, Message] = {}
        log = self.logs[source]
        for message in log.read(0, log.end).messages:
            kept.pop(message.key, None)
            kept[message.key] = message
        return list(kept.values())

    def producer(self, name: str) -> "Producer":
        """InitProducerId."""
        self._fence(name)
        return Producer(self, name, self._epochs[name])

    def _fence(self, name: str) -> None:
        self._epochs[name] = self._epochs.get(name, 0) + 1
        self._settle(name, committed=False)

    def write(self, producer: "Producer", out: Sequence[Out]) -> None:
        transaction = self._transaction(producer)
        for each in out:
            log = self.logs[each.topic, each.partition or 0]
            transaction.logs[log.source] = log
            entry = Entry(self.now_us, each.key.encode(), each.payload, transaction)
            log.entries.append(entry)

    def end(self, producer: "Producer", offsets: Mapping[Place, int]) -> None:
        """The transaction is committed, with these offsets."""
        self._transaction(producer).offsets.update(offsets)
        self._settle(producer.name, committed=True)

    def _transaction(self, producer: "Producer") -> Transaction:
        if self._epochs[producer.name] != producer.epoch:
            raise LostError(f"{producer.name} has been fenced")
        return self._open.setdefault(producer.name, Transaction(self.now_us))

    def _settle(self, name: str, *, committed: bool) -> None:
        transaction = self._open.pop(name, None)
        if transaction is None:
            return
        transaction.settled = committed
        for log in transaction.logs.values():
            log.entries.append(Entry(self.now_us, transaction=transaction, marker=True))
        if committed:
            self.committed.update(transaction.offsets)


@dataclass(frozen=True, slots=True)
class Producer:
    """One life of a transactional id."""

    broker: Broker
    name: str
    epoch: int

    def write(self, out: Sequence[Out]) -> None:
        self.broker.write(self, out)

    def commit(self, offsets: Mapping[Place, int]) -> None:
        self.broker.end(self, offsets)
