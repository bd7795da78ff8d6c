"""A replica dies, and somebody is paged: both stages on a broker, with a real receiver."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr
from standardwebhooks import Webhook

from detectors.alerts import stage as alerts
from detectors.incidents import stage as incidents
from detectors.settings import ChannelSettings, DetectionSettings
from streams.admin import create_topics
from streams.app import create_app
from streams.clock import system_clock
from streams.codec import BlockHeader, decode_record, encode_block
from streams.publisher import Publisher
from streams.reader import TopicReader
from streams.schemas.incidents import Alert
from streams.schemas.telemetry import Change
from streams.settings import StreamSettings
from streams.stage import Out
from tests.streams.toys import new_prefix, running, toy_settings

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"


class Pager:
    """Takes messages whose signature is right."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[dict[str, object]] = asyncio.Queue()
        app = web.Application()
        app.router.add_post("/hook", self._receive)
        self.server = TestServer(app)

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.messages.put_nowait(Webhook(SECRET).verify(body, dict(request.headers)))
        return web.Response()


@pytest.fixture
async def pager() -> AsyncIterator[Pager]:
    pager = Pager()
    await pager.server.start_server()
    yield pager
    await pager.server.close()


@pytest.fixture
async def settings(broker_url: str) -> StreamSettings:
    settings = toy_settings(broker_url, new_prefix(), "at_least_once")
    await create_topics(settings)
    return settings


@asynccontextmanager
async def time_passing(settings: StreamSettings) -> AsyncIterator[Publisher]:
    """WATCH with nothing to say: a heartbeat per shard and topic."""

    async def beat(publisher: Publisher) -> None:
        while True:
            for shard in range(settings.topics.shards):
                for kind in ("window", "anomaly"):
                    header = BlockHeader(kind=kind, shard=shard, watermark_us=system_clock())
                    out = Out(
                        topic=f"{kind}s" if kind == "window" else "anomalies",
                        key=str(shard),
                        value=encode_block(header),
                        partition=shard,
                    )
                    publisher.offer(out)
            await asyncio.sleep(0.25)

    async with Publisher(settings) as publisher:
        beating = asyncio.create_task(beat(publisher))
        yield publisher
        beating.cancel()


def lost(replica: str) -> Out:
    change = Change(
        id=f"lost-{replica}",
        at_us=system_clock(),
        kind="replica_lost",
        summary="exit -9",
        pool="codex",
        replica=replica,
    )
    return Out(topic="changes", key=change.id, value=change)


async def delivered(settings: StreamSettings) -> Alert:
    async with TopicReader(settings, ["alerts"]) as reader:
        async for batch in reader.batches():
            for message in batch:
                alert = decode_record(message.value or b"", Alert)
                if alert.delivery != "pending":
                    return alert
    raise AssertionError


@pytest.mark.broker
async def test_a_replica_that_dies_is_paged_once_with_its_name(
    settings: StreamSettings, pager: Pager
) -> None:
    channel = ChannelSettings(
        name="pager",
        url=str(pager.server.make_url("/hook")),
        secret=SecretStr(SECRET),
        allow_private=True,
    )
    detection = DetectionSettings(channels=(channel,))
    respond, alert = create_app("respond", settings), create_app("alert", settings)
    incidents.attach(respond, detection)
    alerts.attach(alert, detection, settings)
    async with (
        asyncio.timeout(60),
        running(respond),
        running(alert),
        time_passing(settings) as publisher,
    ):
        await publisher.send(lost("codex-2"))
        message = await pager.messages.get()
        told = await delivered(settings)
    data = message["data"]
    assert isinstance(data, dict)
    assert (message["type"], data["title"]) == ("incident.opened", "codex-2 died")
    assert (told.delivery, told.attempts) == ("delivered", 1)
    assert pager.messages.empty()
