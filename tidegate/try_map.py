"""`tidegate try-map TOPIC`: the newest messages of a mapped topic, and what became of each."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console
from rich.table import Table

from streams.admin import Admin
from streams.batch import Message
from streams.clock import SECOND_US
from streams.codec import encode_record
from streams.connection import new_consumer, wait_for_broker
from streams.errors import InvalidParameterError
from streams.inputs import decoder_of, later_s
from streams.maps.formats import shown
from streams.maps.reading import MapDecoder
from streams.maps.registry import teach
from streams.redact import redacted_head
from streams.repeats import Repeats
from streams.replay import message_of
from streams.settings import StreamSettings
from streams.windows.check import Reject

RECORDS: Final = 5
READ_S: Final = 10.0
MAX_SHOWN_CHARS: Final = 1_000
CREATE_TIME: Final = 0
"""As aiokafka numbers it: the producer stamped the message, not the broker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One thing that a message says: ``came`` as JSON, ``became`` a record or why it did not."""

    place: str
    came: str
    became: str
    refused: bool = False


async def run(topic: str, settings: StreamSettings, console: Console) -> int:
    """Print what became of the last five; 1 if one of them was refused. Changes nothing."""
    decoder = decoder_of(f"/{topic}", settings, Repeats())
    if not isinstance(decoder, MapDecoder):
        known = ", ".join(sorted({each.topic for each in settings.maps})) or "none are yet"
        raise InvalidParameterError("TOPIC", topic, f"one of those in stream.maps ({known})")
    await wait_for_broker(settings, [topic])
    messages, by_producers = await newest(topic, settings)
    await teach(decoder.format, settings.registry, [message.value for message in messages])
    found = list(tried(messages, decoder, _allowed_s(topic, settings)))
    console.print(_table(found))
    refused = sum(one.refused for one in found)
    console.print(
        f"{len(messages)} messages of {topic}, {len(found)} read, {refused} refused; "
        f"nothing was written or committed"
    )
    if by_producers:
        console.print(
            "the producers stamp this topic: a clock of theirs that is ahead makes others late. "
            f"Better: kafka-configs.sh --alter --topic {topic} --add-config "
            "message.timestamp.type=LogAppendTime",
            soft_wrap=True,
        )
    return 1 if refused else 0


async def newest(topic: str, settings: StreamSettings) -> tuple[list[Message], bool]:
    """The last five messages by time, oldest first; whether any was stamped by its producer."""
    async with Admin(settings) as admin:
        if topic not in await admin.list_topics():
            raise InvalidParameterError("TOPIC", topic, "a topic of this broker")
        (described,) = await admin.describe_topics([topic])
    places = [TopicPartition(topic, each["partition"]) for each in described["partitions"]]
    async with new_consumer(settings) as consumer:
        records = await _tail(consumer, places)
    records.sort(key=lambda record: (record.timestamp, record.partition, record.offset))
    last = records[-RECORDS:]
    by_producers = any(record.timestamp_type == CREATE_TIME for record in last)
    return [message_of(settings, record) for record in last], by_producers


async def _tail(consumer: AIOKafkaConsumer, places: Sequence[TopicPartition]) -> list:  # type: ignore[type-arg]
    consumer.assign(places)
    begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    left = {place: end for place, end in ends.items() if end > begins[place]}
    for place in places:
        consumer.seek(place, max(begins[place], ends[place] - RECORDS))
    records = []
    try:
        async with asyncio.timeout(READ_S):
            while left:
                for some in (await consumer.getmany(*left, timeout_ms=500)).values():
                    records += some
                left = {p: end for p, end in left.items() if await consumer.position(p) < end}
    except TimeoutError:
        pass  # An open transaction hides what is behind it: what came before is shown.
    return records


def tried(messages: Iterable[Message], decoder: MapDecoder, allowed_s: float) -> Iterator[Tried]:
    """What becomes of each document of each message."""
    for message in messages:
        for line, document, found in decoder.steps(message.value or b""):
            raw = message.value or b"" if document is None else shown(document)
            yield Tried(
                place=f"{message.partition}/{message.offset}/{line}",
                came=redacted_head(raw)[:MAX_SHOWN_CHARS],
                became=_told(found, message.timestamp_us, allowed_s),
                refused=isinstance(found, Reject),
            )


def _told(found: msgspec.Struct | Reject | None, append_us: int, allowed_s: float) -> str:
    if found is None:
        return "not meant: `where` leaves it out"
    if isinstance(found, Reject):
        return f"refused, {found.reason}: {found.detail}"
    behind_s = (append_us - getattr(found, "at_us")) / SECOND_US  # noqa: B009 -- every record has it
    late = f"\nlate: {behind_s:.1f} s old when it was appended, about {allowed_s:g} s are allowed"
    return encode_record(found).decode() + (late if behind_s > allowed_s else "")


def _allowed_s(topic: str, settings: StreamSettings) -> float:
    return settings.windows.lateness_s + later_s(f"/{topic}", settings)


def _table(found: Sequence[Tried]) -> Table:
    table = Table(show_lines=True)
    table.add_column("partition/offset/line", no_wrap=True)
    table.add_column("what came")
    table.add_column("what became of it")
    for one in found:
        table.add_row(one.place, one.came, one.became)
    return table
