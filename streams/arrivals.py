"""One message of an input topic in; the arrivals, the watermark or the dead letter it holds out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

import msgspec

from streams.batch import Message
from streams.clock import SECOND_US
from streams.codec import Block, BlockHeader, decode_block, decode_record
from streams.errors import CorruptMessageError
from streams.redact import redacted_head
from streams.schemas.anomalies import Anomaly
from streams.schemas.origins import INTERVAL_S
from streams.schemas.scaling import PoolStatus, ReplicaStatus
from streams.schemas.system import DeadLetter, Quality
from streams.stage import Arrival
from streams.topics import TOPICS
from streams.windows.blocks import decode_table
from streams.windows.table import Table

BLOCKS: Final = frozenset({"windows", "anomalies"})


@dataclass(frozen=True, slots=True)
class Watermark:
    """All windows of ``shard`` that end by ``at_us`` are final and were read from ``topic``."""

    topic: str
    shard: int
    at_us: int


@dataclass(frozen=True, slots=True)
class Read:
    """What one message means."""

    arrivals: tuple[Arrival, ...] = ()
    watermark: Watermark | None = None
    dead: DeadLetter | None = None


def read(message: Message, *, interval_us: Mapping[str, int], held_us: int) -> Read:
    """Decode a message of any input topic; never raises for what it holds.

    Time of an arrival, the same whenever it is read: what WATCH found counts from the last
    microsecond of the window that made WATCH say so, as it cannot be known earlier, and what INGEST
    counted of senders likewise; a record from when it was made, but not later than its stamp nor
    more than ``held_us`` before it; a tombstone from its stamp.

    interval_us: length of the windows per series kind. held_us: how long after a second its tick
        comes at the earliest: what was stamped later cannot be in it.
    """
    try:
        if message.topic in BLOCKS:
            return _block(message, interval_us)
        if message.topic == "quality":
            return Read(arrivals=_quality(message))
        return Read(arrivals=(_record(message, held_us),))
    except CorruptMessageError as exc:
        return Read(dead=_dead_letter(message, exc))


def glimpse(message: Message, series_kind: str) -> Arrival | None:
    """The deltas of one kind in a message of `partials`; None if it holds none that can be read."""
    try:
        block = decode_block(message.value or b"")
        if block.header.series_kind != series_kind or not block.columns:
            return None
        table = decode_table(block)
    except CorruptMessageError:
        return None  # WATCH makes a dead letter of it
    end_us = int(table.window_us.max(initial=0)) + block.header.interval_us
    return replace(_arrival(message, end_us - 1, table), early=True) if len(table) else None


def _block(message: Message, interval_us: Mapping[str, int]) -> Read:
    block = decode_block(message.value or b"")
    header = block.header
    if header.provisional or header.source:
        return Read()  # What an edge site found: it has responded, and no second waits for it.
    if message.topic == "windows":
        arrivals = _windows(message, block)
    else:
        arrivals = _anomalies(message, block, interval_us)
    return Read(arrivals, _watermark(message.topic, header))


def _watermark(topic: str, header: BlockHeader) -> Watermark | None:
    complete = header.part == header.parts
    return Watermark(topic, header.shard, header.watermark_us) if complete else None


def _windows(message: Message, block: Block) -> tuple[Arrival, ...]:
    if not block.columns:
        return ()
    table = decode_table(block)
    if not len(table):
        return ()
    end_us = int(table.window_us.max()) + block.header.interval_us
    return (_arrival(message, end_us - 1, table),)


def _anomalies(
    message: Message, block: Block, interval_us: Mapping[str, int]
) -> tuple[Arrival, ...]:
    if not block.payload:
        return ()
    try:
        anomalies = msgspec.json.decode(block.payload, type=list[Anomaly])
    except msgspec.MsgspecError as exc:
        raise CorruptMessageError(f"anomalies: {exc}") from exc
    return tuple(
        _arrival(
            message,
            (anomaly.told_at_us or anomaly.at_us + interval_us.get(anomaly.kind, SECOND_US)) - 1,
            anomaly,
            key=anomaly.id,
            number=number,
        )
        for number, anomaly in enumerate(anomalies)
    )


def _quality(message: Message) -> tuple[Arrival, ...]:
    """What our own INGEST says of senders; a site has complained of its own."""
    quality = decode_record(message.value or b"", Quality)
    if quality.origins is None or quality.site:
        return ()
    arrival = _arrival(message, quality.origins.from_us + INTERVAL_S * SECOND_US - 1, quality)
    # Sources share a partition, in no order: only what they say may count.
    return (replace(arrival, id=f"{message.topic}/{arrival.key}/{arrival.id}"),)


def _record(message: Message, held_us: int) -> Arrival:
    if message.value is None:
        return _arrival(message, message.timestamp_us, None)
    record = decode_record(message.value, _kind(message))
    made_us = getattr(record, "updated_at_us", None) or getattr(record, "at_us", None)
    # A producer whose clock runs ahead must not hold its record back for long.
    at_us = min(made_us or message.timestamp_us, message.timestamp_us)
    return _arrival(message, max(at_us, message.timestamp_us - held_us), record)


def _kind(message: Message) -> type[msgspec.Struct]:
    if message.topic == "pools":
        return ReplicaStatus if _key(message).count("/") == 2 else PoolStatus
    kind = TOPICS[message.topic].record
    if kind is None:
        raise CorruptMessageError(f"topic {message.topic} carries no records")
    return kind


def _arrival(
    message: Message,
    at_us: int,
    record: msgspec.Struct | Table | None,
    *,
    key: str = "",
    number: int = 0,
) -> Arrival:
    place = f"{message.topic}/{message.partition}/{message.offset:020d}/{number:06d}"
    return Arrival(
        at_us=at_us, id=place, topic=message.topic, key=key or _key(message), record=record
    )


def _key(message: Message) -> str:
    return (message.key or b"").decode(errors="replace")


def _dead_letter(message: Message, error: CorruptMessageError) -> DeadLetter:
    value = message.value or b""
    return DeadLetter(
        at_us=message.timestamp_us,
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        reason="corrupt_frame" if message.topic in BLOCKS else "wrong_type",
        detail=str(error)[:500],
        sha256=sha256(value).hexdigest(),
        size_bytes=len(value),
        head="" if message.topic in BLOCKS else redacted_head(value),
    )
