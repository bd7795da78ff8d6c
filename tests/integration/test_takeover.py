"""WATCH taken over on a real Kafka whose coordinator names an offset from before."""

from contextlib import AsyncExitStack

import pytest
from aiokafka import TopicPartition

from streams.admin import create_topics
from streams.app import App
from streams.batched import group_id
from streams.connection import full_name, new_consumer
from streams.log_stage import LogStage
from streams.partition import Partition
from streams.publisher import Publisher
from streams.reader import TopicReader
from streams.settings import StreamSettings
from tests.integration.test_snapshots import (
    RESULTS,
    Feed,
    everything,
    new_app,
    settings_for,
    undisturbed,
)
from tests.scenarios.test_restarts import eventful
from tests.streams.toys import eventually, new_prefix, running

pytestmark = pytest.mark.kafka


async def set_offset(settings: StreamSettings, offset: int) -> int:
    """Of a group without members; what it was."""
    tp = TopicPartition(full_name(settings, "partials"), 0)
    async with new_consumer(settings, group_id=group_id(settings, "watch")) as group:
        group.assign([tp])
        before: int = await group.committed(tp)
        await group.commit({tp: offset})
    return before


async def taken_or_refused(app: App) -> Partition:
    """The one partition of WATCH once it was taken over, or tried to be."""
    (stage,) = (owner for owner in app.owners if isinstance(owner, LogStage))
    await eventually(lambda: bool(stage._partitions), within_s=60)
    (partition,) = stage._partitions.values()
    await eventually(lambda: partition.failures > 0 or partition.position is not None, within_s=60)
    return partition


async def test_a_new_owner_waits_until_the_group_knows_of_all_that_was_written(
    kafka_url: str,
) -> None:
    settings = settings_for(kafka_url, new_prefix())
    await create_topics(settings)
    async with AsyncExitStack() as stack:
        source = await stack.enter_async_context(Publisher(settings))
        reader = await stack.enter_async_context(TopicReader(settings, RESULTS))
        feed = Feed(eventful(100).log, source, reader)
        async with running(new_app(settings)):
            await feed.until(200)
        true = await set_offset(settings, 40)
        app = new_app(settings)
        async with running(app):
            assert (await taken_or_refused(app)).position is None
        await set_offset(settings, true)
        async with running(new_app(settings)):
            await feed.until(300)

    expected = undisturbed(settings, await everything(settings, "partials"))
    for topic in RESULTS:
        found = [one.value for one in feed.results if one.topic == topic]
        assert found == [out.value for out in expected if out.topic == topic]
