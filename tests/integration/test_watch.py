"""INGEST and WATCH as Faust apps on the embedded broker; WATCH is stopped and started again."""

import asyncio
from contextlib import AsyncExitStack

import pytest

import detectors.stage
import streams.ingest
from detectors.settings import DetectionSettings
from streams.admin import create_topics
from streams.app import create_app
from streams.batch import Message
from streams.clock import system_clock
from streams.codec import decode_block, encode_record
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


async def send(settings: StreamSettings, times: int) -> None:
    async with Publisher(settings) as publisher:
        for _ in range(times):
            value = encode_record(request(at_us=system_clock()))
            await publisher.send(Out(topic="requests", key="k", value=value, partition=0))


async def run_until(settings: StreamSettings, arrivals: int) -> None:
    """Run both stages until final windows hold so many arrivals and both topics have heartbeats."""
    ingest, watch = create_app("ingest", settings), create_app("watch", settings)
    streams.ingest.attach(ingest, settings)
    detectors.stage.attach(watch, DetectionSettings(), settings)
    found: dict[tuple[int, int, int], int] = {}
    beats: set[str] = set()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(40))
        await stack.enter_async_context(running(ingest))
        await stack.enter_async_context(running(watch))
        reader = await stack.enter_async_context(TopicReader(settings, ["windows", "anomalies"]))
        while sum(found.values()) < arrivals or beats != {"windows", "anomalies"}:
            for message in await reader.poll(0.5):
                found |= final_arrivals(message)
                beats |= {message.topic} if is_heartbeat(message) else set()
    assert sum(found.values()) == arrivals


def final_arrivals(message: Message) -> dict[tuple[int, int, int], int]:
    """(shard, window, series) -> arrivals: written twice, a window counts once."""
    block = decode_block(message.value or b"")
    if block.header.series_kind != "request" or block.header.provisional:
        return {}
    table = decode_table(block)
    keys = zip(table.window_us.tolist(), table.series.tolist(), strict=True)
    return {
        (message.partition, *key): count
        for key, count in zip(keys, table.ints["arrived"].tolist(), strict=True)
    }


def is_heartbeat(message: Message) -> bool:
    block = decode_block(message.value or b"")
    return not block.columns and not block.payload and block.header.watermark_us > 0


async def test_every_arrival_is_in_one_final_window_also_after_a_restart(
    settings: StreamSettings,
) -> None:
    await send(settings, 5)
    await run_until(settings, 5)

    await send(settings, 3)

    await run_until(settings, 8)
