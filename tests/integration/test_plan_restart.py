"""PLAN on a broker, started anew: it decides by what it had learned before, not from nothing."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from autoscaler import stage
from autoscaler.settings import ScalingSettings
from model_backend.settings import BackendSettings, PoolSettings
from streams.admin import create_topics
from streams.app import create_app
from streams.batch import Message
from streams.clock import SECOND_US, system_clock
from streams.codec import BlockHeader, decode_record, encode_block
from streams.memory import PREFIX
from streams.publisher import Publisher
from streams.reader import TopicReader
from streams.schemas.scaling import Decision
from streams.settings import StreamSettings
from streams.stage import Out
from streams.windows.blocks import encode_table
from streams.windows.regroup import merge_tables
from tests.autoscaler.world import START_US, pool_status, requests_table
from tests.streams.toys import new_prefix, often_kept, running, toy_settings

pytestmark = pytest.mark.broker

NAMES: Final = [f"pool-{number}" for number in range(20)]
POOLS: Final = tuple(
    PoolSettings(name=name, service="chat", model="m", max_replicas=3) for name in NAMES
)
PATIENCE_S: Final = 90


def second(shards: int, *, busy: bool) -> Iterator[Out]:
    """What drivers and WATCH say now; busy: a request of a second came to each pool, and one ended.

    All requests are in the windows of the first shard.
    """
    end_us = (system_clock() // SECOND_US - 1) * SECOND_US
    at_s = (end_us - START_US) // SECOND_US - 1
    for name in NAMES:
        yield Out(topic="pools", key=f"local/{name}", value=pool_status(at_s, pool=name))
    for shard in range(shards):
        anomalies = BlockHeader(kind="anomaly", shard=shard, watermark_us=end_us)
        yield _block("anomalies", shard, encode_block(anomalies))
        header = BlockHeader(kind="window", shard=shard, watermark_us=end_us)
        if busy and not shard:
            table = merge_tables(
                [
                    requests_table(at_s, name, ended=[(0.0, 1.0)], arrived=1, in_flight=1, queued=0)
                    for name in NAMES
                ]
            )
            header = BlockHeader(
                kind="window", series_kind="request", shard=shard, watermark_us=end_us
            )
            for block in encode_table(table, header, max_bytes=900_000):
                yield _block("windows", shard, block)
        else:
            yield _block("windows", shard, encode_block(header))


def _block(topic: str, shard: int, value: bytes) -> Out:
    return Out(topic=topic, key=str(shard), partition=shard, value=value)


class Plan:
    """PLAN while it runs: drivers and WATCH speak once a second."""

    def __init__(self, stream: StreamSettings) -> None:
        self._stream = stream
        self.newest: dict[str, Decision] = {}
        self.memories = 0

    async def run(self, enough: Callable[["Plan"], bool], *, busy: bool) -> None:
        app = create_app("plan", self._stream)
        scaling = ScalingSettings(ladder="full", dry_run=False)
        stage.attach(app, scaling, BackendSettings(pools=POOLS), self._stream, "local")
        async with (
            asyncio.timeout(PATIENCE_S),
            running(app),
            Publisher(self._stream) as publisher,
            TopicReader(self._stream, ["decisions", "state.plan"], start="latest") as reader,
        ):
            while not enough(self):
                await publisher.send(*second(self._stream.topics.shards, busy=busy))
                for message in await reader.poll(1.0):
                    self._see(message)

    def _see(self, message: Message) -> None:
        if message.topic == "decisions":
            decision = decode_record(message.value or b"", Decision)
            self.newest[decision.pool] = decision
        elif self.knowing == len(POOLS) and _is_manifest(message):
            self.memories += 1

    @property
    def knowing(self) -> int:
        """Pools of which it is known how long a request takes."""
        return sum(one.inputs["service_s"] > 0 for one in self.newest.values())


def _is_manifest(message: Message) -> bool:
    """Of a memory whose chunks are all there."""
    key = (message.key or b"").decode()
    return bool(message.value) and key.startswith(PREFIX) and "/" not in key.removeprefix(PREFIX)


async def test_what_was_learned_decides_at_once(broker_url: str) -> None:
    stream = often_kept(toy_settings(broker_url, new_prefix(), "at_least_once"))
    await create_topics(stream)
    before, after = Plan(stream), Plan(stream)
    # The first memory may have been begun before all was known.
    await before.run(lambda plan: plan.memories >= 2, busy=True)
    await after.run(lambda plan: len(plan.newest) == len(POOLS), busy=False)

    assert after.knowing == len(POOLS)
    assert [one.inputs["service_s"] for one in after.newest.values()] == pytest.approx(
        [1.0] * len(POOLS), rel=0.01
    )
