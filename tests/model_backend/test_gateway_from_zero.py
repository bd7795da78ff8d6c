"""A pool without replicas: who asks waits for the first one, as long as one is on its way."""

import pytest

from model_backend.settings import PoolSettings
from streams.schemas.telemetry import RequestEvent
from tests.model_backend.gateway_world import FakeReplica, World

TWICE = tuple(
    PoolSettings(name=name, service="codex", model="gemma", slots=1, min_replicas=0)
    for name in ("codex", "spare")
)


async def starting(world: World) -> FakeReplica:
    replica = world.replicas["codex-1"] = await FakeReplica("codex-1").start()
    world.say("codex-1", "starting")
    return replica


async def test_a_start_may_take_longer_than_a_wait() -> None:
    async with World(queue_timeout_s=5, starting_timeout_s=60) as world:
        waiting = world.begin()
        await world.queued("codex", 1)
        world.tick(4)
        await starting(world)
        for _ in range(10):
            world.tick(4)
        world.say("codex-1", "ready")
        answer = await waiting

        assert answer.status == 200
        assert (await world.hears("requests", RequestEvent, kind="finished")).queue_s == 44


async def test_but_no_start_is_waited_for_without_end() -> None:
    async with World(queue_timeout_s=5, starting_timeout_s=60) as world:
        waiting = world.begin()
        await world.queued("codex", 1)
        await starting(world)
        for _ in range(15):
            assert not waiting.done()
            world.tick(4)
        answer = await waiting

        assert answer.status == 503
        assert (await answer.json())["error"]["message"].endswith("became free within 60 s.")


async def test_nor_is_a_second_one() -> None:
    async with World(queue_timeout_s=5) as world:
        busy = await world.add("codex-2")
        busy.first.clear()
        under_way = [world.begin() for _ in range(2)]
        await busy.seen(2)
        waiting = world.begin()
        await world.queued("codex", 1)
        await starting(world)
        world.tick(5)

        assert (await waiting).status == 503
        busy.first.set()
        for one in under_way:
            await one


@pytest.mark.parametrize("warm", ["codex", "spare"])
async def test_who_finds_no_room_waits_where_there_are_replicas(warm: str) -> None:
    async with World(pools=TWICE) as world:
        replica = await world.add(f"{warm}-1")
        replica.first.clear()
        under_way = [world.begin() for _ in range(2)]
        await world.queued(warm, 1)
        replica.first.set()

        assert [(await one).status for one in under_way] == [200, 200]
