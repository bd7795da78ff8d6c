import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from streams.clock import SECOND_US
from streams.schemas.scaling import ReplicaState, ReplicaStatus
from streams.schemas.telemetry import EngineSample
from streams.sources.access import Access
from streams.sources.golden import GoldenSource
from streams.sources.settings import AccessSettings, GoldenPrompt, GoldenSettings

NOON_US = 1_767_268_800 * SECOND_US
COUNT = GoldenPrompt(prompt="1, 2, 3, 4,", expect="5")
FRANCE = GoldenPrompt(prompt="The capital of France is", expect="Paris")
ANSWERS = {COUNT.prompt: " 5, 6, 7", FRANCE.prompt: " PARIS."}


class Engine:
    """Answers completions, or garbage, or not at all."""

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []
        self.garbled: frozenset[str] = frozenset()
        self.status = 200
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/completions", self._complete)
        self.server = TestServer(app)

    @property
    def address(self) -> str:
        return str(self.server.make_url("")).rstrip("/")

    async def _models(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Bearer hush":
            return web.Response(status=401)
        return web.json_response({"object": "list", "data": [{"id": "gemma"}]})

    async def _complete(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append(body)
        text = "!!!!!!!!" if body["prompt"] in self.garbled else ANSWERS[body["prompt"]]
        return web.json_response({"choices": [{"text": text}]}, status=self.status)


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine()
    await engine.server.start_server()
    yield engine
    await engine.server.close()


@pytest.fixture
async def source() -> AsyncIterator[GoldenSource]:
    access = Access(AccessSettings(token=SecretStr("hush")))
    source = GoldenSource(GoldenSettings(prompts=(COUNT, FRANCE), every_s=60), access)
    yield source
    await source.close()


def replica(engine: Engine, *, state: ReplicaState = "ready", since_us: int = 0) -> ReplicaStatus:
    return ReplicaStatus(
        pool="chat",
        replica="chat-1",
        state=state,
        since_us=since_us,
        at_us=0,
        address=engine.address,
    )


async def answered(
    source: GoldenSource, asked: ReplicaStatus, at_s: float = 0
) -> Sequence[EngineSample]:
    """One reading, and what is known once all that it asked is answered."""
    now_us = NOON_US + round(at_s * SECOND_US)
    await source.read([asked], now_us)
    while pending := [task for task in asyncio.all_tasks() if "_ask_all" in repr(task)]:
        await asyncio.wait(pending)
    return await source.read([asked], now_us)


@pytest.mark.parametrize(
    ("garbled", "ratio"),
    [
        pytest.param([], 1.0, id="as-expected-whatever-the-case"),
        pytest.param([COUNT.prompt], 0.5, id="one-of-two"),
        pytest.param([COUNT.prompt, FRANCE.prompt], 0.0, id="garbage"),
    ],
)
async def test_the_share_of_right_answers_is_told(
    engine: Engine, source: GoldenSource, garbled: list[str], ratio: float
) -> None:
    engine.garbled = frozenset(garbled)
    (sample,) = await answered(source, replica(engine))
    assert (sample.pool, sample.replica, sample.golden_ratio) == ("chat", "chat-1", ratio)


async def test_what_is_asked_can_be_repeated(engine: Engine, source: GoldenSource) -> None:
    await answered(source, replica(engine))
    assert engine.asked[0] == {
        "model": "gemma", "prompt": COUNT.prompt, "max_tokens": 16, "temperature": 0,
    }  # fmt: skip


async def test_an_answer_that_does_not_come_says_nothing(
    engine: Engine, source: GoldenSource
) -> None:
    engine.status = 500
    assert not await answered(source, replica(engine))


@pytest.mark.parametrize(
    ("again", "rounds"),
    [
        pytest.param({"at_s": 59}, 1, id="before-its-time-it-is-left-alone"),
        pytest.param({"at_s": 60}, 2, id="then-it-is-asked-again"),
        pytest.param({"at_s": 1, "since_us": 7}, 2, id="and-so-is-one-that-is-new"),
        pytest.param({"at_s": 60, "state": "draining"}, 1, id="but-none-that-leaves"),
    ],
)
async def test_a_replica_is_asked_once_in_a_while(
    engine: Engine, source: GoldenSource, again: dict[str, float], rounds: int
) -> None:
    at_s = again.pop("at_s")
    await answered(source, replica(engine))
    await answered(source, replica(engine, **again), at_s)  # type: ignore[arg-type]
    assert len(engine.asked) == 2 * rounds
