"""INGEST as a Faust app on the embedded broker, stopped and started again."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from streams.admin import create_topics
from streams.app import create_app
from streams.batch import Message
from streams.clock import system_clock
from streams.codec import FrameHeader, decode_block, encode_frame, encode_record
from streams.connection import new_producer
from streams.ingest import attach, stored_marks
from streams.intake import STATE_TOPIC
from streams.publisher import Publisher
from streams.reader import TopicReader
from streams.settings import StreamSettings
from streams.stage import Out
from streams.windows.blocks import decode_table
from tests.streams.samples import request
from tests.streams.toys import new_prefix, running, toy_settings

pytestmark = pytest.mark.broker


@pytest.fixture
async def settings(broker_url: str) -> StreamSettings:
    settings = toy_settings(broker_url, new_prefix(), "at_least_once")
    await create_topics(settings)
    return settings


def event() -> bytes:
    return encode_record(request(at_us=system_clock()))


def frame(sequence: int) -> bytes:
    header = FrameHeader(producer="p", boot="b", sequence=sequence, count=1)
    return encode_frame(header, event())


async def send(settings: StreamSettings, *values: bytes) -> None:
    async with Publisher(settings) as publisher:
        for value in values:
            await publisher.send(Out(topic="requests", key="k", value=value, partition=0))


async def run_until(settings: StreamSettings, counts: tuple[int, int]) -> None:
    """Run INGEST until so many records are in partials and dead letters, and two blocks more."""
    app = create_app("ingest", settings)
    attach(app, settings)
    found, beats = (0, 0), 0
    topics = ["partials", "dead-letters"]
    async with running(app), asyncio.timeout(30), TopicReader(settings, topics) as reader:
        while found != counts or beats < 2:
            for message in await reader.poll(0.5):
                arrived, dead = arrivals(message), message.topic == "dead-letters"
                found = (found[0] + arrived, found[1] + dead)
                beats += found == counts and not arrived


def arrivals(message: Message) -> int:
    if message.topic != "partials":
        return 0
    block = decode_block(message.value or b"")
    if block.header.source != "requests":
        return 0
    return int(decode_table(block).ints["arrived"].sum())


async def test_records_count_once_also_after_a_restart(settings: StreamSettings) -> None:
    await send(settings, event(), b"moon", frame(1), frame(1))
    await run_until(settings, (2, 1))

    await send(settings, frame(1), event())

    await run_until(settings, (3, 1))


@pytest.mark.kafka
async def test_marks_are_found_behind_an_open_transaction_of_another_source(
    kafka_url: str,
) -> None:
    settings = toy_settings(kafka_url, new_prefix(), "exactly_once")
    await create_topics(settings)
    state = settings.topics.prefix + STATE_TOPIC
    other = new_producer(settings, transactional_id=f"{settings.topics.prefix}other")
    async with other, Publisher(settings) as ours, asyncio.timeout(30):
        await other.begin_transaction()
        await other.send_and_wait(state, b"{}", key=b"engine/0", partition=0)
        await ours.send(Out(topic=STATE_TOPIC, key="requests/0", value=b"{}", partition=0))
        reading = asyncio.create_task(keys_of(stored_marks(settings, 0)))
        await asyncio.wait([reading], timeout=1.0)
        early = reading.done()
        await other.commit_transaction()
        found = await reading

    assert (early, found) == (False, [b"engine/0", b"requests/0"])


async def keys_of(messages: AsyncIterator[Message]) -> list[bytes | None]:
    return [message.key async for message in messages]
