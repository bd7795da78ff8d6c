"""Partitions are added to a raw topic while INGEST and WATCH run on a real Kafka."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiokafka.admin import AIOKafkaAdminClient

import detectors.stage
import streams.ingest
from detectors.settings import DetectionSettings
from streams.admin import Admin, create_topics, partition_counts
from streams.app import create_app
from streams.batch import Message
from streams.clock import SECOND_US, system_clock
from streams.codec import decode_block, decode_record, encode_record
from streams.errors import InvalidParameterError
from streams.grow import add_partitions
from streams.publisher import Publisher
from streams.reader import TopicReader
from streams.schemas.system import Quality
from streams.settings import StreamSettings
from streams.stage import Out
from streams.windows.blocks import decode_table
from tests.streams.samples import request
from tests.streams.toys import new_prefix, running, toy_settings

pytestmark = pytest.mark.kafka

BEFORE, AFTER = 2, 5
OLD_US = SECOND_US
"""Events are told so late; what is to hold them back has to know of their partition by then."""


@pytest.fixture
async def settings(kafka_url: str) -> StreamSettings:
    settings = toy_settings(kafka_url, new_prefix(), "exactly_once", raw_partitions=BEFORE)
    await create_topics(settings)
    return settings


class Traffic:
    """Ten events to every partition there is, ten times a second."""

    def __init__(self, settings: StreamSettings) -> None:
        self.sent: Counter[int] = Counter()
        self._settings = settings
        self._enough = False

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._flow())
        try:
            yield
        finally:
            self._enough = True
            await task

    async def _flow(self) -> None:
        async with Admin(self._settings) as admin:
            while not self._enough:
                # A new producer knows of a new partition at once, an old one within 10 s.
                await self._send_while_there_are_so_many(admin)

    async def _send_while_there_are_so_many(self, admin: AIOKafkaAdminClient) -> None:
        async with Publisher(self._settings) as publisher:
            count = before = await self._count(admin)
            while count == before and not self._enough:
                await self._send(publisher, count)
                await asyncio.sleep(0.1)
                count = await self._count(admin)

    async def _count(self, admin: AIOKafkaAdminClient) -> int:
        return (await partition_counts(admin, self._settings))["requests"]

    async def _send(self, publisher: Publisher, partitions: int) -> None:
        value = encode_record(request(at_us=system_clock() - OLD_US))
        out = [
            Out(topic="requests", key="k", value=value, partition=partition)
            for partition in range(partitions)
        ]
        await publisher.send(*out * 10)
        self.sent += Counter(dict.fromkeys(range(partitions), 10))


class Seen:
    """What came out: arrivals in final windows, and what the sources are said to have sent."""

    def __init__(self) -> None:
        self.windows: Counter[tuple[int, int, int]] = Counter()
        self.arrived = 0
        self.late = 0
        self.of_shards: list[Quality] = []

    def take(self, message: Message) -> None:
        if message.topic == "quality":
            quality = decode_record(message.value or b"", Quality)
            self.late += quality.late
            self.of_shards += [quality] if quality.shard is not None else []
            return
        block = decode_block(message.value or b"")
        if block.header.series_kind != "request" or block.header.provisional:
            return
        table = decode_table(block)
        rows = zip(table.window_us.tolist(), table.series.tolist(), strict=True)
        self.windows.update((message.partition, *row) for row in rows)
        self.arrived += int(table.ints["arrived"].sum())


@asynccontextmanager
async def stages(settings: StreamSettings) -> AsyncIterator[TopicReader]:
    ingest, watch = create_app("ingest", settings), create_app("watch", settings)
    streams.ingest.attach(ingest, settings)
    detectors.stage.attach(watch, DetectionSettings(), settings)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(ingest))
        await stack.enter_async_context(running(watch))
        yield await stack.enter_async_context(TopicReader(settings, ["windows", "quality"]))


async def read_until(reader: TopicReader, seen: Seen, total: int) -> None:
    async with asyncio.timeout(60):
        while seen.arrived + seen.late < total:
            for message in await reader.poll(0.5):
                seen.take(message)


async def test_every_record_is_in_one_final_window(settings: StreamSettings) -> None:
    traffic, seen = Traffic(settings), Seen()
    async with stages(settings) as reader:
        async with traffic.flowing():
            await read_until(reader, seen, 100)
            assert await add_partitions(settings, "requests", AFTER) == AFTER - BEFORE
            await read_until(reader, seen, 100 + traffic.sent.total())
        await read_until(reader, seen, traffic.sent.total())

    assert set(traffic.sent) == set(range(AFTER))
    assert (seen.arrived, seen.late) == (traffic.sent.total(), 0)
    assert set(seen.windows.values()) == {1}
    assert seen.of_shards == []


async def test_it_may_be_run_again(settings: StreamSettings) -> None:
    await add_partitions(settings, "gpu", 3)

    assert await add_partitions(settings, "gpu", 3) == 0
    async with Admin(settings) as admin:
        found = await partition_counts(admin, settings)
    assert (found["gpu"], found["state.ingest"], found["requests"]) == (3, 3, BEFORE)


@pytest.mark.parametrize(
    ("topic", "total", "said"),
    [
        pytest.param("windows", 8, "topic must be one of requests, engine", id="shards-are-fixed"),
        pytest.param("requests", 1, "from 2, as many as there are", id="none-can-be-taken-away"),
    ],
)
async def test_what_cannot_grow_is_refused(
    settings: StreamSettings, topic: str, total: int, said: str
) -> None:
    with pytest.raises(InvalidParameterError, match=said):
        await add_partitions(settings, topic, total)
