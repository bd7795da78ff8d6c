"""SINK: results in, points to every sink that is switched on."""

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from faust.types import TP

from streams.batch import Message, RecordBatch
from streams.batched import App
from streams.codec import Block, decode_block, decode_frame, decode_record, is_frame
from streams.errors import CorruptMessageError, InvalidParameterError
from streams.log_stage import attach_log_stage
from streams.schemas.anomalies import Anomaly
from streams.schemas.base import Record
from streams.schemas.scaling import PoolStatus, ReplicaStatus
from streams.schemas.system import DeadLetter
from streams.settings import SinkSettings, StreamSettings
from streams.sinks import enabled_sinks
from streams.sinks.base import Point
from streams.sinks.delivery import Delivery
from streams.sinks.points import record_points, window_points
from streams.sinks.spool import Spool
from streams.stage import Out
from streams.topics import TOPICS
from streams.windows.blocks import decode_table

STAGE: Final = "sink"
SINK_TOPICS: Final = (
    "windows",
    "anomalies",
    "incidents",
    "decisions",
    "alerts",
    "pools",
    "changes",
    "quality",
)


class SinkHandler:
    """Turns one partition's messages into points; returns when every sink has or spools them."""

    def __init__(self, deliveries: Sequence[Delivery]) -> None:
        self._deliveries = deliveries

    async def restore(self, replay: object) -> None:
        """Nothing to restore: what a sink holds is in the sink."""

    async def handle(self, batch: RecordBatch) -> Sequence[Out]:
        points: list[Point] = []
        dead: list[Out] = []
        for message in batch.messages:
            try:
                points += message_points(message)
            except CorruptMessageError as exc:
                dead.append(_dead_letter(message, exc))
        await asyncio.gather(*(delivery.put(points) for delivery in self._deliveries))
        return dead

    async def idle(self, position: int, clock_us: int) -> Sequence[Out]:  # noqa: ARG002
        return ()


def message_points(message: Message) -> list[Point]:
    """What one message says; nothing for tombstones, heartbeats and provisional windows.

    Raises CorruptMessageError for what cannot be read.
    """
    if message.value is None:
        return []
    match message.topic:
        case "windows":
            return _windows(decode_block(message.value))
        case "anomalies":
            return _anomalies(decode_block(message.value))
        case "pools":
            kind = PoolStatus if (message.key or b"").count(b"/") == 1 else ReplicaStatus
            return record_points(decode_record(message.value, kind))
        case "changes" if is_frame(message.value):
            lines = decode_frame(message.value)[1]
            return [point for line in lines for point in record_points(_record("changes", line))]
        case _:
            return record_points(_record(message.topic, message.value))


def _record(topic: str, value: bytes) -> Record:
    kind = TOPICS[topic].record
    if kind is None or not issubclass(kind, Record):
        raise CorruptMessageError(f"topic {topic!r} carries no records")
    return decode_record(value, kind)


def _windows(block: Block) -> list[Point]:
    # A provisional window comes again when it is final; stored, it could outlive the final one.
    if block.header.provisional or not block.header.columns:
        return []
    return window_points(decode_table(block), interval_s=block.header.interval_us / 1_000_000)


def _anomalies(block: Block) -> list[Point]:
    if not block.payload:
        return []
    try:
        found = msgspec.json.decode(block.payload, type=list[Anomaly])
    except msgspec.MsgspecError as exc:
        raise CorruptMessageError(f"anomalies: {exc}") from exc
    return [point for anomaly in found for point in record_points(anomaly)]


def _dead_letter(message: Message, exc: CorruptMessageError) -> Out:
    value = message.value or b""
    letter = DeadLetter(
        at_us=message.timestamp_us,
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        reason="corrupt_frame",
        detail=str(exc)[:500],
        sha256=hashlib.sha256(value).hexdigest(),
        size_bytes=len(value),
    )
    key = f"{message.topic}/{message.partition}/{message.offset}"
    return Out(topic="dead-letters", key=key, value=letter)


def open_deliveries(settings: SinkSettings) -> list[Delivery]:
    """One for each sink that is switched on; raises InvalidParameterError where none is."""
    sinks = enabled_sinks(settings)
    if not sinks:
        raise InvalidParameterError(
            "stream.sinks", "no sink", "at least one sink with a path or url"
        )
    folder = Path(settings.spool_path) if settings.spool_path else None
    return [
        Delivery(
            sink,
            Spool(folder / f"{sink.name}.spool.sqlite" if folder else None),
            spool_points=settings.queue_points,
        )
        for sink in sinks
    ]


def attach(app: App, settings: StreamSettings) -> None:
    """Write all results to all sinks; at least once, and again is harmless."""
    deliveries = open_deliveries(settings.sinks)
    attach_log_stage(
        app,
        stage=STAGE,
        topics=SINK_TOPICS,
        handler=lambda _topic, _partition: SinkHandler(deliveries),
        # One write a second and partition instead of one a fetch.
        min_interval_s=settings.sinks.influx.flush_s,
        waits=lambda: any(delivery.paused for delivery in deliveries),
    )
    app.owners.append(_Closing(deliveries))  # closed in order: after the partitions


class _Closing:
    """Lets go of the sinks when the app stops; has no business with partitions."""

    def __init__(self, deliveries: Sequence[Delivery]) -> None:
        self._deliveries = deliveries

    async def assigned(self, partitions: set[TP]) -> None: ...

    async def revoked(self) -> None: ...

    async def close(self) -> None:
        for delivery in self._deliveries:
            await delivery.close()
