"""Replicas that come and go: nothing of a healthy client is lost by it."""

from streams.schemas.scaling import Drain
from streams.schemas.telemetry import Change, RequestEvent
from tests.model_backend.gateway_world import STREAM, World


async def test_requests_wait_for_the_first_replica() -> None:
    async with World() as world:
        waiting = world.begin()
        await world.hears("requests", RequestEvent, kind="arrived")
        world.clock.advance(3)
        await world.add()

        assert (await waiting).status == 200
        assert (await world.hears("requests", RequestEvent, kind="finished")).queue_s == 3


async def test_requests_go_to_the_least_busy() -> None:
    async with World() as world:
        replicas = [await world.add(name) for name in ("codex-1", "codex-2")]
        for replica in replicas:
            replica.first.clear()
        under_way = [world.begin() for _ in range(4)]
        for replica in replicas:
            await replica.seen(2)

        assert [len(replica.bodies) for replica in replicas] == [2, 2]
        for replica in replicas:
            replica.first.set()
        for one in under_way:
            await one


async def test_a_full_replica_gets_the_next_one_when_one_has_ended() -> None:
    async with World() as world:
        replica = await world.add()
        replica.first.clear()
        under_way = [world.begin() for _ in range(3)]
        await replica.seen(2)
        assert world.gateway.door.desks["codex"].queued == 1
        replica.first.set()

        assert [(await one).status for one in under_way] == [200, 200, 200]


async def test_tenants_take_turns() -> None:
    async with World() as world:
        flood = [world.begin({"n": n, **STREAM}) for n in range(4)]
        await world.count("requests", RequestEvent, 4, kind="arrived")
        other = world.begin({"n": 9, **STREAM}, who="cedar")
        await world.count("requests", RequestEvent, 5, kind="arrived")
        replica = await world.add()
        for one in [*flood, other]:
            await (await one).read()

        assert sorted(body["n"] for body in replica.bodies[:2]) == [0, 9]


async def test_a_draining_replica_gets_nothing_new_and_says_when_it_is_empty() -> None:
    async with World() as world:
        leaving = await world.add()
        leaving.middle.clear()
        stream = await world.ask(STREAM)
        world.say("codex-1", "draining")
        staying = await world.add("codex-2")
        await world.ask()
        leaving.middle.set()
        text = await stream.text()

        assert (len(leaving.bodies), len(staying.bodies)) == (1, 1)
        assert "[DONE]" in text
        await world.hears("drains", Drain, in_flight=0)
        drains = [drain.in_flight for drain in world.told("drains", Drain, replica="codex-1")]
        assert drains == [1, 0]


async def test_a_drain_is_said_again_each_second_for_who_hears_it_late() -> None:
    async with World() as world:
        await world.add()
        world.say("codex-1", "draining")
        for _ in range(3):
            world.tick(1)

        assert [one.in_flight for one in world.told("drains", Drain)] == [0, 0, 0, 0]


async def test_what_has_not_begun_leaves_a_replica_that_failed() -> None:
    async with World() as world:
        lost = await world.add()
        lost.first.clear()
        under_way = world.begin()
        await lost.asked.wait()
        await world.add("codex-2")
        world.say("codex-1", "failed")

        assert (await under_way).status == 200


async def test_a_replica_that_stopped_is_forgotten() -> None:
    async with World() as world:
        await world.add()
        world.say("codex-1", "stopped")
        world.tick(1)

        assert not world.gateway.door.desks["codex"].lanes


async def test_a_new_process_of_the_same_name_starts_with_a_clean_slate() -> None:
    async with World() as world:
        dead = await world.add()
        await dead.stop()
        waiting = world.begin()
        await world.hears("changes", Change, kind="set_aside")
        await world.add()

        assert (await waiting).status == 200
