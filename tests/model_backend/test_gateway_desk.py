"""The desk of one pool: waiting, being called, leaving."""

import asyncio

import pytest

from model_backend.gateway.desk import Desk, Ticket
from model_backend.gateway.lanes import Flight, Lane
from streams.clock import ManualClock
from streams.schemas.scaling import ReplicaState, ReplicaStatus

CLOCK = ManualClock(1_767_225_600_000_000)


def desk(freed: list[str] | None = None) -> Desk:
    told = [] if freed is None else freed
    return Desk("codex", max_queue=2, freed=lambda lane: told.append(lane.state))


def replica(state: ReplicaState = "ready", *, pid: int = 1) -> ReplicaStatus:
    return ReplicaStatus(
        pool="codex",
        replica="codex-1",
        state=state,
        since_us=1,
        at_us=1,
        address="http://a:1",
        pid=pid,
    )


def sync(given: Desk, *replicas: ReplicaStatus) -> Lane:
    given.sync(replicas, lambda _: 1, CLOCK())
    return given.lanes["codex-1"]


async def waiting(given: Desk, name: str = "req_1") -> "asyncio.Task[object]":
    task: asyncio.Task[object] = asyncio.create_task(given.take(Ticket("birch", name), CLOCK))
    await asyncio.sleep(0)
    return task


async def test_who_leaves_while_waiting_leaves_no_trace() -> None:
    given = desk()
    task = await waiting(given)
    task.cancel()
    await asyncio.wait([task])

    assert (task.cancelled(), given.queued) == (True, 0)


async def test_who_leaves_in_the_moment_it_is_called_gives_its_replica_back() -> None:
    given = desk()
    task = await waiting(given)
    lane = sync(given, replica())
    assert lane.in_flight == 1
    task.cancel()
    await asyncio.wait([task])

    assert (task.cancelled(), lane.in_flight) == (True, 0)


async def test_the_next_is_called_when_one_leaves() -> None:
    given = desk()
    lane = sync(given, replica())
    first = await given.take(Ticket("birch", "req_1"), CLOCK)
    second = await waiting(given, "req_2")
    assert isinstance(first, Flight)
    given.leave(first, CLOCK(), failed=False)
    flight = await second

    assert isinstance(flight, Flight)
    assert (flight.request_id, lane.in_flight) == ("req_2", 1)


async def test_a_full_desk_says_so() -> None:
    given = desk()
    tasks = [await waiting(given, f"req_{n}") for n in range(2)]

    assert await given.take(Ticket("birch", "req_3"), CLOCK) == "queue_full"
    for task in tasks:
        task.cancel()


async def test_who_had_a_replica_before_is_never_turned_away_and_goes_first() -> None:
    given = desk()
    tasks = [await waiting(given, f"req_{n}") for n in range(2)]
    moved = asyncio.create_task(given.take(Ticket("birch", "req_3"), CLOCK, again=True))
    await asyncio.sleep(0)
    sync(given, replica())
    flight = await moved

    assert isinstance(flight, Flight)
    assert flight.request_id == "req_3"
    for task in tasks:
        task.cancel()


async def test_a_new_process_of_the_same_name_is_another_lane() -> None:
    given = desk()
    old = sync(given, replica(pid=1))
    flight = old.take("req_1", CLOCK(), streamed=False)
    new = sync(given, replica(pid=2))

    assert (new is old, flight.broken, new.in_flight) == (False, "moved", 0)


@pytest.mark.parametrize("state", ["draining", "starting"])
async def test_a_change_of_state_is_told(state: ReplicaState) -> None:
    told: list[str] = []
    given = desk(told)
    sync(given, replica())
    sync(given, replica(state))

    assert told == [state]


async def test_a_closed_lane_stays_until_its_last_request_has_left() -> None:
    given = desk()
    flight = sync(given, replica()).take("req_1", CLOCK(), streamed=True)
    flight.begun = True
    given.sync([], lambda _: 1, CLOCK())
    assert list(given.lanes) == ["codex-1"]
    given.leave(flight, CLOCK(), failed=True)
    given.forget_closed()

    assert not given.lanes
