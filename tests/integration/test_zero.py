"""To zero and back, with a real llama.cpp replica, the real gateway and the whole pure chain."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

import msgspec
import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from autoscaler.drive import Drive
from autoscaler.reconciler import DrivenPool, Reconciler
from autoscaler.settings import ScalingSettings
from model_backend.gateway.app import GATEWAY, create_gateway
from model_backend.gateway.pools_view import PoolsView
from model_backend.gateway.run import feed
from model_backend.pools.process import ProcessPool
from model_backend.settings import BackendSettings, GatewaySettings, PoolSettings
from streams.batch import Message
from streams.clock import SECOND_US, ManualClock
from streams.codec import decode_record
from streams.schemas.scaling import Decision
from streams.settings import StreamSettings, TopicSettings, WindowSettings
from streams.stage import Out, Outcome
from tidegate.replay.chain import Chain
from tidegate.settings import Settings

POOL = PoolSettings(
    name="codex",
    service="codex",
    model="gemma-3-270m",
    driver="process",
    min_replicas=0,
    initial_replicas=0,
    unhealthy_after_s=300,
    health_interval_s=0.1,
)
SETTINGS = Settings(
    stream=StreamSettings(
        topics=TopicSettings(shards=1, raw_partitions=1), windows=WindowSettings(lateness_s=1.0)
    ),
    backend=BackendSettings(pools=(POOL,), gateway=GatewaySettings(port=0, allow_anonymous=True)),
    scaling=ScalingSettings(ladder="full", dry_run=False, scale_down_after_s=0),
)
ASKED = {"model": "codex", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}


class Site:
    """Gateway, chain and DRIVE on one clock; each turn takes a part of a second of it."""

    def __init__(self, log_dir: Path) -> None:
        self.clock = ManualClock(1_800_000_000 * SECOND_US)
        self.decisions: list[Decision] = []
        self.sizes: list[int] = []
        self._out: list[Out] = []
        self._offsets: defaultdict[str, int] = defaultdict(int)
        self._chain = Chain(SETTINGS, [("requests", 0), ("engine", 0)])
        self._view = PoolsView([POOL], cluster="local")
        self._pool = ProcessPool(POOL, clock=self.clock, log_dir=log_dir)
        drive = Drive(POOL, dry_run=False, ladder="full")
        driven = DrivenPool("local/codex", drive, self._pool)
        self._reconciler = Reconciler([driven], self.clock)
        app = create_gateway(
            SETTINGS.backend,
            cluster="local",
            emit=self._emit,
            pools=self._view,
            clock=self.clock,
        )
        self._gateway = app[GATEWAY]
        self.client = TestClient(TestServer(app))

    async def __aenter__(self) -> Self:
        await self.client.start_server()
        self._sending = asyncio.create_task(self._reconciler.send(self._commit))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._sending.cancel()
        await self.client.close()
        await self._reconciler.close()

    async def turn(self, seconds: float) -> None:
        """What the three do in that time."""
        self.clock.advance(seconds)
        self._gateway.tick()
        await self._reconciler.step()
        await asyncio.sleep(0.01)  # processes and sockets have to come round
        sent, self._out = self._out, []
        messages = [self._message(out) for out in sent]
        for message in messages:
            if message.topic == "pools":
                feed(self._view, message)
        told = self._chain.step(messages, self.clock() + 1)
        self._reconciler.feed(told)
        self.decisions += [
            decode_record(one.value or b"", Decision) for one in told if one.topic == "decisions"
        ]
        self.sizes.append(len(self._view.replicas("codex")))

    async def ask(self) -> ClientResponse:
        answer = asyncio.ensure_future(self.client.post("/v1/chat/completions", json=ASKED))
        while not answer.done():
            await self.turn(0.1)
        return await answer

    async def until_empty(self) -> None:
        while self.sizes[-1]:
            await self.turn(1)

    def _emit(self, out: Out) -> bool:
        self._out.append(out)
        return True

    async def _commit(self, outcome: Outcome) -> None:
        self._out += outcome.out

    def _message(self, out: Out) -> Message:
        offset = self._offsets[out.topic]
        self._offsets[out.topic] += 1
        return Message(out.topic, 0, offset, self.clock(), out.key.encode(), out.payload)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with asyncio.timeout(60), Site(tmp_path) as site:
        yield site


async def test_who_finds_nobody_there_is_answered_and_idle_replicas_go(site: Site) -> None:
    await site.turn(1)
    answer = await site.ask()
    await site.until_empty()

    assert answer.status == 200
    assert msgspec.json.decode(await answer.read())["usage"]["completion_tokens"] == 4
    assert [size for size, _ in itertools.groupby(site.sizes)] == [0, 1, 0]
    assert any("costs more than a start" in one.reason for one in site.decisions)
