"""Looks after replicas: sets aside who has gone silent, takes back who is well, tells of all."""

import asyncio
from collections.abc import Mapping
from typing import Final

from model_backend.gateway.desk import Desk
from model_backend.gateway.emit import Emitter
from model_backend.gateway.lanes import Lane
from model_backend.gateway.upstream import ReplicaError, Upstream
from model_backend.settings import GatewaySettings
from streams.clock import SECOND_US, Clock

PROBE_EVERY_S: Final = 1.0
"""How often a replica set aside is asked, and one that is silent with requests in flight."""


class Watch:
    """What has to happen as time passes; ``tick`` is called a few times a second.

    A replica with requests in flight that has been silent for a second is probed each second. An
    answer is a sign of life; without one, others are preferred. Without any sign for
    ``stall_timeout_s`` it is set aside: it gets nothing new, and requests whose clients have seen
    nothing yet move; streams that have begun may still go on, but after ``stream_stall_timeout_s``
    without a byte their clients are told. One that refuses connections is set aside at once. It is
    probed each second and taken back when it is well.
    """

    def __init__(
        self,
        desks: Mapping[str, Desk],
        emitter: Emitter,
        upstream: Upstream,
        settings: GatewaySettings,
        *,
        clock: Clock,
    ) -> None:
        self._desks = desks
        self._emitter = emitter
        self._upstream = upstream
        self._stall_timeout_s = settings.stall_timeout_s
        self._stream_stall_timeout_s = settings.stream_stall_timeout_s
        self._clock = clock
        self._told_at_us = 0
        self._probes: set[asyncio.Task[None]] = set()
        """At most one per lane."""

    def tick(self) -> None:
        now_us = self._clock()
        for desk in self._desks.values():
            desk.expire(now_us)
            for lane in desk.lanes.values():
                self._look_at(lane, now_us)
        if now_us // SECOND_US != self._told_at_us // SECOND_US:
            self._tell(now_us)

    def suspect(self, lane: Lane, error: ReplicaError) -> None:
        """A request failed there: if nothing listens it is over, else ask."""
        if error.refused:
            self._set_aside(lane, str(error), self._clock())
        elif lane.set_aside_at_us is None and not lane.probing:
            self._probe_soon(lane)

    def told_leaving(self, lane: Lane) -> None:
        """A request left a lane, or its state changed: whoever drains it waits for this."""
        if lane.state == "draining":
            self._emitter.drain(lane, self._clock())

    async def close(self) -> None:
        for task in self._probes:
            task.cancel()
        await asyncio.gather(*self._probes, return_exceptions=True)

    def _look_at(self, lane: Lane, now_us: int) -> None:
        for flight in tuple(lane.flights):
            if why := flight.overdue(now_us):
                flight.break_off(why)
            elif lane.set_aside_at_us and flight.stalled_s(now_us) >= self._stream_stall_timeout_s:
                flight.break_off("stalled")
        due = now_us - lane.probed_at_us >= PROBE_EVERY_S * SECOND_US
        if due and not lane.probing and not lane.gone and self._needs_a_look(lane, now_us):
            self._probe_soon(lane)

    @staticmethod
    def _needs_a_look(lane: Lane, now_us: int) -> bool:
        if lane.set_aside_at_us is not None:
            return True
        return bool(lane.flights) and lane.silent_s(now_us) >= PROBE_EVERY_S

    def _probe_soon(self, lane: Lane) -> None:
        lane.probing, lane.probed_at_us = True, self._clock()
        task = asyncio.create_task(self._probe(lane))
        self._probes.add(task)
        task.add_done_callback(self._probes.discard)

    async def _probe(self, lane: Lane) -> None:
        try:
            error = await self._upstream.probe(lane.address)
        finally:
            lane.probing = False
        now_us = self._clock()
        if lane.gone:
            return
        if error is None:
            self._take_back(lane, now_us)
            lane.sign(now_us)
        elif not error.silent:
            self._set_aside(lane, str(error), now_us)
        else:
            lane.doubtful = True
            silent_s = lane.silent_s(now_us)
            if silent_s >= self._stall_timeout_s:
                self._set_aside(lane, f"silent for {silent_s:.1f} s", now_us)

    def _set_aside(self, lane: Lane, cause: str, now_us: int) -> None:
        if lane.set_aside_at_us is not None:
            return
        lane.set_aside_at_us = now_us
        summary = f"traffic moved away from {lane.replica}: {cause}"
        self._emitter.changed(lane, "set_aside", summary, now_us)
        for flight in tuple(lane.flights):
            if not flight.begun:
                flight.break_off("moved")

    def _take_back(self, lane: Lane, now_us: int) -> None:
        if lane.set_aside_at_us is None:
            return
        away_s = (now_us - lane.set_aside_at_us) / SECOND_US
        lane.set_aside_at_us = None
        summary = f"{lane.replica} answers again after {away_s:.1f} s, traffic returns"
        self._emitter.changed(lane, "taken_back", summary, now_us)
        self._desks[lane.pool].dispatch(now_us)

    def _tell(self, now_us: int) -> None:
        """Once a second: each pool, each replica, who is draining."""
        interval_s = (now_us - self._told_at_us) / SECOND_US if self._told_at_us else 1.0
        self._told_at_us = now_us
        for desk in self._desks.values():
            self._emitter.pool(desk.pool, now_us, queued=desk.queued, in_flight=desk.in_flight)
            for lane in desk.lanes.values():
                if lane.state in {"ready", "draining"} or lane.flights:
                    self._emitter.replica(lane, now_us, interval_s)
                self.told_leaving(lane)
            desk.forget_closed()
