"""Who is read by the agent, how often, and what a replica that does not answer looks like."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from streams.batch import Message
from streams.codec import encode_record
from streams.schemas.scaling import ReplicaState, ReplicaStatus
from streams.schemas.telemetry import EngineSample
from streams.sources.agent import Agent, Replicas
from streams.sources.scrape import ScrapeSource
from streams.stage import Out

ADDRESS = "http://127.0.0.1:1"
Serve = Callable[[web.Application], AsyncIterator[str]]


def status(state: ReplicaState = "ready", address: str = ADDRESS) -> ReplicaStatus:
    return ReplicaStatus(
        pool="codex", replica="codex-1", state=state, since_us=0, at_us=0, address=address
    )


def message(value: bytes | None, key: str = "local/codex/codex-1") -> Message:
    return Message("pools", 0, 0, 0, key.encode(), value, ())


def told(*messages: Message) -> Replicas:
    replicas = Replicas()
    replicas.feed(messages)
    return replicas


@pytest.mark.parametrize(
    ("state", "read"),
    [("starting", 0), ("ready", 1), ("draining", 1), ("failed", 0), ("stopped", 0)],
)
def test_only_what_serves_is_read(state: ReplicaState, read: int) -> None:
    assert len(told(message(encode_record(status(state)))).serving()) == read


@pytest.mark.parametrize(
    "last", [encode_record(status("stopped")), None, b"{"], ids=["stopped", "forgotten", "broken"]
)
def test_what_no_longer_serves_is_read_no_more(last: bytes | None) -> None:
    assert told(message(encode_record(status())), message(last)).serving() == []


def test_records_of_pools_are_no_replicas() -> None:
    assert told(message(b"{}", key="local/codex")).serving() == []


@pytest.fixture
async def engine() -> AsyncIterator[str]:
    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text="llamacpp:requests_processing 2\nbroken{\n")

    async for address in _served(metrics):
        yield address


@pytest.fixture
async def frozen() -> AsyncIterator[str]:
    never = asyncio.Event()

    async def metrics(_: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    async for address in _served(metrics):
        yield address
        never.set()


async def _served(metrics: Callable[[web.Request], object]) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/metrics", metrics)  # type: ignore[arg-type]
    server = TestServer(app)
    await server.start_server()
    yield str(server.make_url("")).rstrip("/")
    await server.close()


async def scrape(*replicas: ReplicaStatus) -> list[EngineSample]:
    source = ScrapeSource(timeout_s=0.05)
    samples = await source.read(replicas, 7)
    await source.close()
    return list(samples)


async def test_a_replica_that_answers_is_up(engine: str) -> None:
    samples = await scrape(status(address=engine))

    assert [(s.at_us, s.up, s.running) for s in samples] == [(7, 1, 2)]


async def test_a_frozen_replica_is_down_and_its_fellow_is_not(engine: str, frozen: str) -> None:
    fellow = status(address=engine).but(replica="codex-2")
    samples = await scrape(status(address=frozen), fellow)

    assert [(s.replica, s.up) for s in samples] == [("codex-1", 0), ("codex-2", 1)]


async def test_a_replica_that_is_gone_is_down() -> None:
    assert [sample.up for sample in await scrape(status())] == [0]


async def test_each_second_every_replica_gives_one_record(engine: str) -> None:
    offered: list[Out] = []
    source = ScrapeSource()
    replicas = told(message(encode_record(status(address=engine))))

    def offer(*out: Out) -> bool:
        offered.extend(out)
        return True

    agent = Agent(replicas, [source], offer)
    counts = [await agent.read_once(second) for second in (1, 2)]
    await source.close()

    assert counts == [1, 1]
    assert {(out.topic, out.key) for out in offered} == {("engine", "local/codex/codex-1")}
