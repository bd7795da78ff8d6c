"""SINK as a Faust app on the embedded broker: everything arrives, and again is harmless."""

import asyncio
from pathlib import Path

import pytest

from streams.admin import create_topics
from streams.app import create_app
from streams.publisher import Publisher
from streams.reader import TopicReader
from streams.settings import SinkSettings, StreamSettings
from streams.sinks.embedded import EmbeddedSink
from streams.sinks.points import FIELDS
from streams.sinks.stage import SINK_TOPICS, attach, message_points
from streams.stage import Out
from tests.dashboards.synthetic import story
from tests.streams.toys import new_prefix, running, toy_settings

pytestmark = pytest.mark.broker

SENT = story()


@pytest.fixture
async def settings(broker_url: str, tmp_path: Path) -> StreamSettings:
    toy = toy_settings(broker_url, new_prefix(), "at_least_once")
    sinks = SinkSettings(embedded_path=str(tmp_path / "points.sqlite"), embedded_retention_s=1e9)
    settings = toy.model_copy(update={"sinks": sinks})
    await create_topics(settings)
    return settings


async def send(settings: StreamSettings) -> None:
    """The story, and behind it in each topic something unreadable: its dead letter is the end."""
    async with Publisher(settings) as publisher:
        await publisher.send(
            *(
                Out(topic=one.topic, key=(one.key or b"").decode(), value=one.value, partition=0)
                for one in SENT
            ),
            *(Out(topic=topic, key="a/b", value=b"moon", partition=0) for topic in SINK_TOPICS),
        )


async def run_until(settings: StreamSettings, dead_letters: int) -> None:
    app = create_app("sink", settings)
    attach(app, settings)
    found = 0
    async with running(app), asyncio.timeout(40), TopicReader(settings, ["dead-letters"]) as reader:
        while found < dead_letters:
            found += len(await reader.poll(0.5))


def stored(settings: StreamSettings) -> dict[str, int]:
    sink = EmbeddedSink(Path(settings.sinks.embedded_path), retention_s=1e9, max_bytes=10**9)
    counts = {name: len(list(sink.read(name))) for name in FIELDS}
    sink.close()
    return counts


async def test_everything_arrives_and_again_is_harmless(settings: StreamSettings) -> None:
    await send(settings)
    await run_until(settings, len(SINK_TOPICS))
    points = [point for message in SENT for point in message_points(message)]
    once = {name: len({p.identity for p in points if p.measurement == name}) for name in FIELDS}
    assert stored(settings) == once

    await send(settings)
    await run_until(settings, 2 * len(SINK_TOPICS))
    assert stored(settings) == once
