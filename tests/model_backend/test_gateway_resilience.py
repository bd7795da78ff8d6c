"""Replicas that freeze, die, or are not there."""

import asyncio

import pytest

from streams.schemas.telemetry import Change, EngineSample, RequestEvent
from tests.model_backend.gateway_world import CHAT, STREAM, World


async def frozen(world: World) -> None:
    """Let the clock pass the stall limit while codex-1 answers nothing."""
    for _ in range(5):
        world.tick(1)
        await world.probes()


@pytest.mark.parametrize("body", [CHAT, STREAM])
async def test_what_has_not_begun_moves_away_from_a_frozen_replica(body: object) -> None:
    async with World() as world:
        stuck = await world.add()
        stuck.freeze()
        under_way = world.begin(body)
        await stuck.asked.wait()
        await world.add("codex-2")
        await frozen(world)
        answer = await under_way
        await answer.read()

        end = await world.hears("requests", RequestEvent, kind="finished")
        assert (answer.status, end.replica, end.attempt) == (200, "codex-2", 1)
        assert len(world.told("requests", RequestEvent, kind="arrived")) == 1


async def test_new_requests_prefer_others_long_before_it_is_set_aside() -> None:
    async with World() as world:
        stuck = await world.add()
        stuck.freeze()
        under_way = world.begin()
        await stuck.asked.wait()
        for _ in range(2):
            world.tick(1)
            await world.probes()
        await world.add("codex-2")
        other = await world.add("codex-3")
        other.first.clear()
        begun = [world.begin() for _ in range(4)]
        await world.count("requests", RequestEvent, 5, kind="arrived")

        assert (len(stuck.bodies), world.told("changes", Change)) == (1, [])
        other.first.set()
        for one in begun:
            assert (await one).status == 200
        under_way.cancel()


async def test_moving_away_is_a_change_that_names_the_replica() -> None:
    async with World() as world:
        stuck = await world.add()
        stuck.freeze()
        under_way = world.begin()
        await stuck.asked.wait()
        await frozen(world)

        [change] = world.told("changes", Change)
        assert (change.kind, change.pool, change.replica) == ("set_aside", "codex", "codex-1")
        assert change.summary == "traffic moved away from codex-1: silent for 4.0 s"
        under_way.cancel()


async def test_a_silent_replica_that_answers_probes_keeps_its_requests() -> None:
    async with World() as world:
        slow = await world.add()
        slow.first.clear()
        under_way = world.begin()
        await slow.asked.wait()
        await frozen(world)
        slow.first.set()

        assert (await under_way).status == 200
        assert not world.told("changes", Change)


async def test_one_set_aside_is_taken_back_when_it_is_well() -> None:
    async with World() as world:
        stuck = await world.add()
        stuck.freeze()
        waiting = world.begin()
        await stuck.asked.wait()
        await frozen(world)
        for gate in (stuck.frozen, stuck.first, stuck.middle):
            gate.set()
        world.tick(1)

        assert (await waiting).status == 200
        change = await world.hears("changes", Change, kind="taken_back")
        assert change.summary == "codex-1 answers again after 2.0 s, traffic returns"


async def test_its_silence_shows_while_it_is_set_aside() -> None:
    async with World() as world:
        stuck = await world.add()
        stuck.freeze()
        under_way = world.begin()
        await stuck.asked.wait()
        await frozen(world)
        world.tick(1)

        stalled = [one.stalled_s for one in world.told("engine", EngineSample)]
        assert stalled == [1, 2, 3, 4, 5, 6]
        under_way.cancel()


async def test_a_refused_connection_costs_nothing_and_sets_aside_at_once() -> None:
    async with World() as world:
        dead = await world.add()
        await dead.stop()
        await world.add("codex-2")
        answer = await world.ask()

        end = await world.hears("requests", RequestEvent, kind="finished")
        assert (answer.status, end.replica, end.attempt) == (200, "codex-2", 1)
        [change] = world.told("changes", Change)
        assert change.summary == "traffic moved away from codex-1: connection refused"


async def test_any_number_of_dead_replicas_loses_no_request() -> None:
    async with World() as world:
        for number in range(1, 5):
            await (await world.add(f"codex-{number}")).stop()
        await world.add("codex-5")

        assert (await world.ask()).status == 200


@pytest.mark.parametrize("body", [CHAT, STREAM])
async def test_a_replica_that_dies_before_the_first_byte_loses_no_request(body: object) -> None:
    async with World() as world:
        dying = await world.add()
        dying.first.clear()
        under_way = world.begin(body)
        await dying.asked.wait()
        await world.add("codex-2")
        await dying.stop()
        answer = await under_way

        assert (answer.status, "[DONE]" in await answer.text()) == (200, body is STREAM)


async def test_a_stream_that_dies_in_the_middle_ends_with_an_error_and_never_done() -> None:
    async with World() as world:
        dying = await world.add()
        dying.middle.clear()
        answer = await world.ask(STREAM)
        await dying.stop()
        text = await answer.text()

        assert ('"code":"upstream_error"' in text, "[DONE]" in text) == (True, False)
        end = await world.hears("requests", RequestEvent, kind="finished")
        assert (end.status, end.reason, end.output_tokens) == (502, "upstream", 1)


async def test_a_stream_that_ends_early_is_not_taken_for_complete() -> None:
    async with World() as world:
        replica = await world.add()
        replica.ends_early = True
        text = await (await world.ask(STREAM)).text()

        assert ("ended early" in text, "[DONE]" in text) == (True, False)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_busy_replicas_are_left_for_others(status: int) -> None:
    async with World() as world:
        busy = await world.add()
        busy.status = status
        await world.add("codex-2")

        assert (await world.ask()).status == 200


async def test_after_two_retries_it_is_an_error() -> None:
    async with World() as world:
        busy = await world.add()
        busy.status = 503
        answer = await world.ask()

        end = await world.hears("requests", RequestEvent, kind="finished")
        assert (answer.status, len(busy.bodies), end.attempt) == (502, 3, 2)


async def test_no_first_byte_in_time_is_tried_elsewhere() -> None:
    async with World(first_byte_timeout_s=3) as world:
        slow = await world.add()
        slow.first.clear()
        under_way = world.begin(STREAM)
        await slow.asked.wait()
        await world.add("codex-2")
        world.tick(3)

        assert (await under_way).status == 200


@pytest.mark.parametrize("body", [CHAT, STREAM])
async def test_what_takes_too_long_is_ended(body: object) -> None:
    async with World(upstream_timeout_s=9) as world:
        slow = await world.add()
        slow.first.clear()
        under_way = world.begin(body)
        await slow.asked.wait()
        world.tick(9)

        assert (await under_way).status == 504
        await asyncio.wait_for(slow.left.wait(), 5)


async def test_a_replica_that_says_it_is_unwell_is_set_aside_once_a_request_failed() -> None:
    async with World() as world:
        sick = await world.add()
        sick.status, sick.well = 503, False
        await world.add("codex-2")
        await world.ask()

        change = await world.hears("changes", Change)
        assert change.summary == "traffic moved away from codex-1: its health check says 503"


async def test_a_stream_that_has_begun_stays_with_its_frozen_replica() -> None:
    async with World() as world:
        stuck = await world.add()
        stuck.freeze()
        stuck.first.set()
        answer = await world.ask(STREAM)
        await frozen(world)
        assert len(world.told("changes", Change, kind="set_aside")) == 1
        stuck.middle.set()

        assert (await answer.text()).endswith("data: [DONE]\n\n")


async def test_a_stream_of_a_replica_that_stays_frozen_ends_with_an_error() -> None:
    async with World(stream_stall_timeout_s=9) as world:
        stuck = await world.add()
        stuck.freeze()
        stuck.first.set()
        answer = await world.ask(STREAM)
        await frozen(world)
        world.tick(4)
        text = await answer.text()

        assert ("silent in the middle of its answer" in text, "[DONE]" in text) == (True, False)
        end = await world.hears("requests", RequestEvent, kind="finished")
        assert (end.status, end.reason) == (502, "upstream")


async def test_who_has_to_move_is_not_turned_away_by_a_full_queue() -> None:
    async with World(max_queue=1) as world:
        dying = await world.add()
        dying.first.clear()
        under_way = [world.begin() for _ in range(3)]
        await dying.seen(2)
        await world.queued("codex", 1)
        await dying.stop()
        await world.add("codex-2")

        assert [(await one).status for one in under_way] == [200, 200, 200]


async def test_a_replica_lost_while_it_is_handed_over_gets_nothing() -> None:
    async with World() as world:
        waiting = world.begin()
        await world.queued("codex", 1)
        gone = await world.add()
        world.say("codex-1", "stopped")
        await world.add("codex-2")

        assert (await waiting).status == 200
        assert not gone.bodies
