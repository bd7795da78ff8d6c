"""The sleep mode of our replicas, by its verbs; loading and unloading are written down."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from model_backend.pools.sleep import put_to_sleep, wake_up
from model_backend.replicas.sleeping import Sleeping
from streams.errors import PoolDriverError


class Engine:
    """A server with the verbs."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.busy = False
        self.mode = Sleeping(busy=lambda: self.busy, unload=self._unload, load=self._load)

    async def _unload(self) -> None:
        self.log.append("unloaded")

    async def _load(self) -> None:
        self.log.append("loaded")


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
async def address(engine: Engine) -> AsyncIterator[str]:
    app = web.Application()
    app.add_routes(engine.mode.routes())
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


@pytest.mark.parametrize(
    ("level", "log"),
    [
        pytest.param(1, [], id="what-is-loaded-stays"),
        pytest.param(2, ["unloaded", "loaded"], id="or-goes-and-is-loaded-again"),
    ],
)
async def test_it_sleeps_and_wakes(
    engine: Engine, address: str, level: int, log: list[str]
) -> None:
    async with ClientSession() as client:
        for _ in range(2):
            await put_to_sleep(client, address, level)
        slept = engine.mode.asleep
        for _ in range(2):
            await wake_up(client, address, level)

    assert (slept, engine.mode.asleep) == (True, False)
    assert engine.log == log


async def test_who_is_busy_does_not_sleep(engine: Engine, address: str) -> None:
    engine.busy = True
    async with ClientSession() as client:
        with pytest.raises(PoolDriverError, match="answered 409"):
            await put_to_sleep(client, address, 1)

    assert not engine.mode.asleep


async def test_there_are_two_levels(address: str) -> None:
    async with ClientSession() as client:
        with pytest.raises(PoolDriverError, match="answered 400"):
            await put_to_sleep(client, address, 3)


async def test_nobody_there_is_said() -> None:
    async with ClientSession() as client:
        with pytest.raises(PoolDriverError, match="gave no answer"):
            await put_to_sleep(client, "http://127.0.0.1:9", 1)
