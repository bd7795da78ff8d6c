"""PLAN and the control API on a broker: an order by HTTP, a decision, the view that shows it."""

import asyncio

import httpx
import pytest

from autoscaler import stage
from autoscaler.api.app import create_api
from autoscaler.api.view import VIEW_TOPICS, View
from autoscaler.settings import ApiSettings, ScalingSettings
from model_backend.settings import BackendSettings, PoolSettings
from streams.admin import create_topics
from streams.app import create_app
from streams.clock import SECOND_US, system_clock
from streams.codec import BlockHeader, encode_block
from streams.publisher import Publisher
from streams.reader import TopicReader
from streams.schemas.scaling import PoolStatus
from streams.settings import StreamSettings
from streams.stage import Out
from tests.streams.toys import new_prefix, running, toy_settings

pytestmark = pytest.mark.broker

POOL = PoolSettings(name="codex", service="codex", model="tiny", max_replicas=3)
SCALING = ScalingSettings(ladder="full", dry_run=False)
PATIENCE_S = 60


def second(shards: int) -> list[Out]:
    """What the driver and WATCH say in one second."""
    now_us = system_clock()
    status = PoolStatus(
        pool="codex",
        service="codex",
        model="tiny",
        at_us=now_us - 2 * SECOND_US,
        desired=1,
        ready=1,
        min_replicas=1,
        max_replicas=3,
    )
    beats = [
        Out(
            topic=topic,
            key=str(shard),
            partition=shard,
            value=encode_block(
                BlockHeader(kind=kind, shard=shard, watermark_us=now_us - SECOND_US)
            ),
        )
        for topic, kind in (("windows", "window"), ("anomalies", "anomaly"))
        for shard in range(shards)
    ]
    return [Out(topic="pools", key="local/codex", value=status), *beats]


@pytest.fixture
async def stream(broker_url: str) -> StreamSettings:
    settings = toy_settings(broker_url, new_prefix(), "at_least_once")
    await create_topics(settings)
    return settings


async def test_an_order_by_http_becomes_a_decision_on_the_view(stream: StreamSettings) -> None:
    shards = stream.topics.shards
    app = create_app("plan", stream)
    stage.attach(app, SCALING, BackendSettings(pools=(POOL,)), stream, "local")
    view = View(shards=shards)
    async with (
        asyncio.timeout(PATIENCE_S),
        running(app),
        Publisher(stream) as publisher,
        TopicReader(stream, VIEW_TOPICS) as reader,
    ):
        api = create_api(view, publisher.send, ApiSettings(), system_clock)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(api), base_url="http://127.0.0.1"
        ) as client:
            asked = False
            while (await _desired(client)) != 3:
                await publisher.send(*second(shards))
                view.feed(await reader.poll(1.0))
                if view.decisions() and not asked:
                    answer = await client.post(
                        "/v1/pools/codex/override", json={"replicas": 3, "actor": "ann"}
                    )
                    asked = answer.status_code == 202
            told = (await client.get("/v1/pools/codex/explain")).json()

    assert "ann overrides" in told["sentence"]
    assert told["desired_again"] == 3


async def _desired(client: httpx.AsyncClient) -> int | None:
    answer = await client.get("/v1/pools/codex")
    return answer.json()["desired_replicas"] if answer.status_code == 200 else None
