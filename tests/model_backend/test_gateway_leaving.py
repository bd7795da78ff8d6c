"""Clients that leave: their requests end at the replica too."""

import asyncio

import pytest

from streams.schemas.system import Usage
from streams.schemas.telemetry import EngineSample, RequestEvent
from tests.model_backend.gateway_world import CHAT, STREAM, World


@pytest.mark.parametrize(
    "body",
    [pytest.param(STREAM, id="before-the-first-byte"), pytest.param(CHAT, id="not-streamed")],
)
async def test_leaving_before_the_answer_cancels_it_at_the_replica(body: object) -> None:
    async with World() as world:
        replica = await world.add()
        replica.first.clear()
        under_way = world.begin(body)
        await replica.asked.wait()
        under_way.cancel()

        await asyncio.wait_for(replica.left.wait(), 5)
        end = await world.hears("requests", RequestEvent, kind="cancelled")
        assert (end.status, end.replica, end.reason) == (499, "codex-1", "client_left")


async def test_leaving_in_the_middle_of_a_stream_cancels_it_and_counts_what_came() -> None:
    async with World() as world:
        replica = await world.add()
        replica.middle.clear()
        answer = await world.ask(STREAM)
        await answer.content.readany()
        answer.close()
        replica.left.clear()

        await world.hears("requests", RequestEvent, kind="cancelled")
        await asyncio.wait_for(replica.left.wait(), 5)
        assert (await world.hears("usage", Usage)).output_tokens == 1


async def test_leaving_the_queue_makes_room_for_others() -> None:
    async with World(max_queue=1) as world:
        waiting = world.begin()
        await world.hears("requests", RequestEvent, kind="arrived")
        waiting.cancel()
        await world.hears("requests", RequestEvent, kind="cancelled")
        await world.add()

        assert (await world.ask()).status == 200


async def test_who_left_is_no_failure_of_the_replica_and_frees_its_slot() -> None:
    async with World() as world:
        replica = await world.add()
        replica.first.clear()
        under_way = world.begin()
        await replica.asked.wait()
        under_way.cancel()
        await world.hears("requests", RequestEvent, kind="cancelled")
        world.tick()

        [sample] = world.told("engine", EngineSample)
        assert (sample.in_flight, sample.failed, sample.finished) == (0, 0, 0)
