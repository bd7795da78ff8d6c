"""The desk of one pool: requests wait here and are handed to replicas with room."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from model_backend.gateway.lanes import Flight, Lane
from model_backend.gateway.queue import FairQueue
from model_backend.gateway.route import choose
from streams.clock import Clock
from streams.schemas.scaling import ReplicaStatus

Denied = Literal["queue_full", "queue_timeout"]


@dataclass(slots=True)
class Deadline:
    """A wait may last so long; begun anew while the first replica starts, but for a last moment."""

    since_us: int
    wait_us: int
    last_us: int

    def over(self, now_us: int) -> bool:
        return now_us >= min(self.since_us + self.wait_us, self.last_us)


@dataclass(slots=True, eq=False)
class Ticket:
    """A request's place in the queue; kept when it has to move to another replica.

    deadline: when it has waited too long, None for never.
    """

    tenant: str
    request_id: str
    streamed: bool = False
    deadline: Deadline | None = None
    avoid: set[str] = field(default_factory=set)
    """Replicas where it failed."""
    called: "asyncio.Future[Flight | None] | None" = None


class Desk:
    """Queue and lanes of one pool.

    ``freed`` is called with a lane whenever a request has left it or its state has changed.
    """

    def __init__(self, pool: str, *, max_queue: int, freed: Callable[[Lane], None]) -> None:
        self.pool = pool
        self.lanes: dict[str, Lane] = {}
        self._queue: FairQueue[Ticket] = FairQueue(max_queue)
        self._freed = freed

    @property
    def queued(self) -> int:
        return len(self._queue)

    @property
    def in_flight(self) -> int:
        return sum(lane.in_flight for lane in self.lanes.values())

    @property
    def has_room(self) -> bool:
        return any(lane.has_room for lane in self.lanes.values())

    @property
    def warm(self) -> bool:
        """A replica is ready."""
        return any(lane.state == "ready" for lane in self.lanes.values())

    async def take(self, ticket: Ticket, clock: Clock, *, again: bool = False) -> Flight | Denied:
        """Wait for a replica; ``again``: it had one before and goes first."""
        if again:
            self._queue.put_back(ticket)
        elif not self._queue.put(ticket):
            return "queue_full"
        self.dispatch(clock())
        flight = ticket.called.result() if ticket.called else await self._call(ticket, clock)
        ticket.called = None
        return flight or "queue_timeout"

    async def _call(self, ticket: Ticket, clock: Clock) -> Flight | None:
        called = ticket.called = asyncio.get_running_loop().create_future()
        try:
            return await asyncio.shield(called)
        except asyncio.CancelledError:
            # Its client left; it may have been handed a replica in this very moment.
            self._queue.remove(ticket)
            if called.done() and (flight := called.result()) is not None:
                self.leave(flight, clock(), failed=None)
            raise

    def leave(self, flight: Flight, now_us: int, *, failed: bool | None) -> None:
        """The request has left its replica; ``failed`` is None when its client gave up."""
        flight.lane.end(flight, failed=failed)
        self._freed(flight.lane)
        self.dispatch(now_us)

    def dispatch(self, now_us: int) -> None:
        """Hand waiting requests to replicas as long as both are there."""
        while (ticket := self._queue.peek()) is not None:
            lane = choose(self.lanes.values(), ticket.avoid)
            if lane is None:
                return
            self._queue.pop()
            flight = lane.take(ticket.request_id, now_us, streamed=ticket.streamed)
            self._answer(ticket, flight)

    def expire(self, now_us: int) -> None:
        """Send away who has waited too long."""
        starts = not self.warm and any(lane.state == "starting" for lane in self.lanes.values())
        for ticket in self._queue:
            if ticket.deadline is None:
                continue
            if starts:
                ticket.deadline.since_us = now_us
            if ticket.deadline.over(now_us):
                self._queue.remove(ticket)
                self._answer(ticket, None)

    def sync(
        self, replicas: Sequence[ReplicaStatus], slots: Callable[[ReplicaStatus], int], now_us: int
    ) -> None:
        """Take over what is known of the pool's replicas now; others are no more."""
        for name in self.lanes.keys() - {status.replica for status in replicas}:
            self._close(self.lanes[name])
        for status in replicas:
            lane = self.lanes.get(status.replica)
            if lane is None or not lane.is_same(status):
                if lane is not None:
                    self._close(lane)
                lane = Lane(self.pool, status.replica, status.address, slots(status))
                self.lanes[status.replica] = lane
            lane.slots, lane.pid = slots(status), status.pid
            if lane.state != status.state:
                lane.state = status.state
                self._freed(lane)
        self.forget_closed()
        self.dispatch(now_us)

    @staticmethod
    def _close(lane: Lane) -> None:
        """Nothing comes back from there: what can still move, moves."""
        lane.state = "stopped"
        for flight in lane.flights:
            if not flight.begun:
                flight.break_off("moved")

    def forget_closed(self) -> None:
        """Drop lanes of replicas that are no more, once the last request has left."""
        for name in [name for name, lane in self.lanes.items() if lane.state == "stopped"]:
            if not self.lanes[name].flights:
                del self.lanes[name]

    @staticmethod
    def _answer(ticket: Ticket, flight: Flight | None) -> None:
        if ticket.called is None:
            ticket.called = asyncio.get_running_loop().create_future()
        ticket.called.set_result(flight)
