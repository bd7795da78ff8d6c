"""One request at one replica, ended by whoever is first: its answer, the watch, its client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from model_backend.gateway import refusals
from model_backend.gateway.desk import Ticket
from model_backend.gateway.door import Door
from model_backend.gateway.lanes import Flight
from model_backend.gateway.refusals import RefusedError
from model_backend.gateway.upstream import ReplicaError
from streams.clock import SECOND_US


async def take_replica(door: Door, pool: str, ticket: Ticket, *, again: bool) -> Flight:
    """Wait in the pool's queue. Raises RefusedError when it is full or the wait is too long."""
    since_us = door.clock()
    match await door.desks[pool].take(ticket, door.clock, again=again):
        case "queue_full":
            raise RefusedError(refusals.queue_full(pool))
        case "queue_timeout":
            waited_s = (door.clock() - since_us) / SECOND_US
            raise RefusedError(refusals.queue_timeout(pool, waited_s))
        case flight:
            return flight


@asynccontextmanager
async def at_replica(door: Door, pool: str, flight: Flight) -> AsyncIterator[None]:
    """What runs inside may be broken off; ReplicaError says why, and the watch hears of it.

    Leaves the replica in any case, so that the next request gets its slot.
    """
    failed: bool | None = None  # the client left: nothing is known about the replica
    try:
        async with asyncio.timeout(None) as guard:
            if flight.broken:  # between being handed the replica and getting here
                raise _broken_off(flight)
            flight.guard = guard
            try:
                yield
            finally:
                flight.guard = None
        failed = False
    except TimeoutError:
        failed = True
        raise _broken_off(flight) from None
    except ReplicaError as exc:
        failed = True
        if flight.broken is None:
            door.watch.suspect(flight.lane, exc)
        raise
    except RefusedError as exc:
        failed = exc.refusal.status >= 500
        raise
    finally:
        door.desks[pool].leave(flight, door.clock(), failed=failed)


def _broken_off(flight: Flight) -> ReplicaError:
    match flight.broken:
        case "first_byte":
            return ReplicaError("no first byte in time")
        case "too_long":
            return ReplicaError("took too long")
        case "stalled":
            return ReplicaError("silent in the middle of its answer")
        case "moved" | None:
            return ReplicaError("silent")
