"""A site at the end of a line that is cut for an hour: what arrives at a real Kafka."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from streams.admin import create_topics
from streams.batch import Message
from streams.ordered import read_ordered
from streams.settings import StreamSettings
from streams.stage import Out
from tests.services.kafka import Kafka
from tests.services.line import FarLine
from tests.streams.toys import eventually, new_prefix
from tests.tidegate.edge_site import (
    SITE,
    clock_us,
    opened,
    readings,
    site_settings,
)
from tidegate.edge.centre import Centre
from tidegate.edge.line import Line
from tidegate.edge.memory import Memory
from tidegate.edge.site import TOLD
from tidegate.edge.spool import Spool

pytestmark = pytest.mark.kafka

END_TXN: Final = 26
"""Kafka's API key of the request that commits a transaction."""
BEFORE: Final = range(30)
HOUR: Final = range(30, 3_630, 40)
AFTER: Final = range(3_630, 3_640)
PATIENCE_S: Final = 30.0


def at(kafka_url: str, prefix: str) -> StreamSettings:
    stream = site_settings().stream
    broker = stream.broker.model_copy(update={"url": kafka_url})
    topics = stream.topics.model_copy(update={"prefix": prefix})
    return stream.model_copy(update={"broker": broker, "topics": topics})


@contextmanager
def site(path: Path) -> Iterator[tuple[Spool, Memory]]:
    spool, memory = opened(path, site_settings())
    try:
        yield spool, memory
    finally:
        spool.close()


@asynccontextmanager
async def sending(stream: StreamSettings, spool: Spool) -> AsyncIterator[Line]:
    line = Line(partial(Centre, stream, SITE), spool)
    task = asyncio.create_task(line.run())
    try:
        yield line
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def live(memory: Memory, seconds: range) -> None:
    for second in seconds:
        memory.step(readings(second), clock_us(second))


async def everything_sent(line: Line, spool: Spool) -> None:
    line.more.set()
    await eventually(lambda: not spool.waiting(), within_s=PATIENCE_S)


async def arrived(stream: StreamSettings) -> list[Message]:
    """What a reader of committed records finds."""
    return [message async for message in read_ordered(stream, sorted(TOLD))]


def undisturbed(path: Path) -> list[Out]:
    """What the same life brings forth where nothing is sent and nothing fails."""
    with site(path) as (spool, memory):
        for seconds in (BEFORE, HOUR, AFTER):
            live(memory, seconds)
        return [each.out for each in spool.waiting()]


def by_topic(found: Iterable[Message | Out]) -> dict[str, list[object]]:
    return {topic: [each.value for each in found if each.topic == topic] for topic in TOLD}


async def test_an_hour_without_a_line_loses_nothing_and_doubles_nothing(
    kafka: Kafka, tmp_path: Path
) -> None:
    near = at(kafka.url, new_prefix())
    far = at(kafka.far_url, near.topics.prefix)
    await create_topics(near)

    async with FarLine(kafka.far_end, kafka.far) as line_in_hand:
        with site(tmp_path / "site.sqlite") as (spool, memory):
            async with sending(far, spool) as line:
                live(memory, BEFORE)
                await everything_sent(line, spool)
                # The transaction is committed, and nobody hears of it.
                line_in_hand.deaf_after = END_TXN
                live(memory, HOUR[:1])
                line.more.set()
                await asyncio.wait_for(line_in_hand.deaf.wait(), PATIENCE_S)
                await line_in_hand.cut()
                live(memory, HOUR[1:45])
        with site(tmp_path / "site.sqlite") as (spool, memory):  # the process starts anew
            async with sending(far, spool) as line:
                live(memory, HOUR[45:])
                await line_in_hand.mend()
                live(memory, AFTER)
                await everything_sent(line, spool)

    assert by_topic(await arrived(near)) == by_topic(undisturbed(tmp_path / "other.sqlite"))
