"""Completions: from a request that may come in to an answer that has gone out."""

import asyncio
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from model_backend.gateway import refusals
from model_backend.gateway.answers import Answer
from model_backend.gateway.attempts import at_replica, take_replica
from model_backend.gateway.bodies import (
    CompletionRequest,
    CompletionRoute,
    parse_completion,
    upstream_body,
)
from model_backend.gateway.calls import Call
from model_backend.gateway.desk import Ticket
from model_backend.gateway.door import CLIENT_LEFT, Door
from model_backend.gateway.lanes import Flight
from model_backend.gateway.refusals import Refusal, RefusedError
from model_backend.gateway.sse import EventFilter, usage_of
from model_backend.gateway.upstream import ReplicaError, Reply
from streams.clock import SECOND_US

PATHS: Final[dict[CompletionRoute, str]] = {
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
}
MAX_RETRIES: Final = 2
_EVENT_STREAM: Final = "text/event-stream"
_BUSY: Final = frozenset({429, 502, 503, 504})
"""Answers of a replica that another one may not give."""


@dataclass(slots=True)
class _Exchange:
    """A completion under way."""

    request: web.Request
    call: Call
    wanted: CompletionRequest
    body: bytes
    response: web.StreamResponse | None = None
    """There once the client has been told that it gets a stream."""


class Completions:
    """Handles both completion routes."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def handle(self, request: web.Request, route: CompletionRoute) -> web.StreamResponse:
        door, call = self._door, self._door.open(request, route)
        try:
            tenant = door.authenticate(request)
            door.admit(call, tenant)
        except RefusedError as exc:
            return door.refused(call, exc.refusal)
        try:
            return await self._serve(await self._accept(request, call))
        except RefusedError as exc:
            return door.refused(call, exc.refusal)
        except (asyncio.CancelledError, ConnectionResetError):
            door.ended(call, "cancelled", CLIENT_LEFT, "client_left")
            raise
        finally:
            if not call.over:  # a mistake of ours: even that has an end
                door.ended(call, "finished", 500, "internal")
            if call.admitted:
                door.used(call)
            door.limits.release(tenant.name)

    async def _accept(self, request: web.Request, call: Call) -> _Exchange:
        """Check the body and find its pool; from here on it counts as demand."""
        raw = await self._door.receive(request, request.read)
        wanted = parse_completion(raw, "chat" if call.route == "chat" else "completions")
        if isinstance(wanted, Refusal):
            raise self._door.malformed(call, raw, wanted)
        pool = self._door.find_pool(wanted.model, jobs=False)
        call.pool, call.model, call.prompt_tokens = pool.name, pool.model, wanted.prompt_tokens
        self._door.arrived(call)
        return _Exchange(request, call, wanted, upstream_body(wanted, pool.model))

    async def _serve(self, exchange: _Exchange) -> web.StreamResponse:
        """Try replicas until one has answered, or the client has seen a part of an answer."""
        door, call = self._door, exchange.call
        ticket = Ticket(
            call.tenant, call.id, exchange.wanted.stream, door.deadline(call.arrived_at_us)
        )
        attempt = retries = 0
        while True:
            flight = await take_replica(door, call.pool, ticket, again=attempt > 0)
            call.sent(flight, attempt)
            self._limit(flight)
            try:
                async with at_replica(door, call.pool, flight):
                    return await self._exchange(exchange, flight)
            except ReplicaError as exc:
                if exchange.response is not None:
                    return await self._cut(exchange, exchange.response, exc)
                # A refused connection costs nothing and sets that replica aside: it cannot go on.
                retries += not exc.refused
                if retries > MAX_RETRIES or flight.broken == "too_long":
                    raise RefusedError(_last_word(exc, flight)) from exc
                ticket.avoid.add(flight.lane.replica)
                attempt += 1

    async def _exchange(self, exchange: _Exchange, flight: Flight) -> web.StreamResponse:
        url = (
            flight.lane.address + PATHS["chat" if exchange.call.route == "chat" else "completions"]
        )
        headers = {"Content-Type": "application/json", "x-request-id": exchange.call.id}
        reply = await self._door.upstream.send("POST", url, exchange.body, headers)
        try:
            if reply.status in _BUSY:
                raise ReplicaError(f"answered {reply.status}")
            if reply.status != 200:
                raise RefusedError(refusals.told_by_replica(reply.status, await reply.whole()))
            if exchange.wanted.stream and reply.content_type == _EVENT_STREAM:
                return await self._relay(exchange, flight, reply)
            return await self._whole(exchange, flight, reply)
        finally:
            reply.close()

    async def _whole(self, exchange: _Exchange, flight: Flight, reply: Reply) -> web.Response:
        body, call = await reply.whole(), exchange.call
        flight.lane.sign(self._door.clock())
        call.count(usage_of(body), 0)
        answer = Answer()
        answer.take(body)
        flight.lane.interval.tally.ended(answer, call.output_tokens)
        self._door.ended(call, "finished", 200)
        return web.Response(body=body, content_type=reply.content_type, headers=call.headers)

    async def _relay(self, exchange: _Exchange, flight: Flight, reply: Reply) -> web.StreamResponse:
        call, clock = exchange.call, self._door.clock
        events = EventFilter(keep_usage=exchange.wanted.include_usage)
        response: web.StreamResponse | None = None
        try:
            async for piece in reply.pieces():
                tokens = events.tokens
                passed = events.feed(piece)
                now_us = clock()
                flight.lane.heard(flight, now_us, events.tokens - tokens)
                flight.lane.interval.tally.read(events.answer)
                if not passed:
                    continue
                call.heard(now_us)
                if response is None:
                    flight.begun = True
                    response = exchange.response = await _begin_stream(exchange)
                flight.paused = True
                await response.write(passed)
                flight.lane.read_on(flight, clock())
        except ReplicaError:
            if not events.done:  # what breaks after [DONE] took nothing from the client
                raise
        finally:
            call.count(events.usage, events.tokens)
        if response is None or not (events.done or events.failed):
            raise ReplicaError("ended early")
        await response.write_eof()
        status, reason = (502, "upstream") if events.failed else (200, "")
        if not events.failed:
            flight.lane.interval.tally.ended(events.answer, call.output_tokens)
        self._door.ended(call, "finished", status, reason)
        return response

    async def _cut(
        self, exchange: _Exchange, response: web.StreamResponse, error: ReplicaError
    ) -> web.StreamResponse:
        """The replica was lost in the middle: say so, and never that the stream is complete."""
        refusal = refusals.upstream_failed(f"The model's server was lost: {error}.")
        response.force_close()
        await response.write(refusal.event())
        await response.write_eof()
        self._door.ended(exchange.call, "finished", refusal.status, refusal.reason)
        return response

    def _limit(self, flight: Flight) -> None:
        settings = self._door.settings
        flight.end_by_us = flight.taken_at_us + round(settings.upstream_timeout_s * SECOND_US)
        if flight.streamed:
            wait_us = round(settings.first_byte_timeout_s * SECOND_US)
            flight.first_byte_by_us = flight.taken_at_us + wait_us


async def _begin_stream(exchange: _Exchange) -> web.StreamResponse:
    response = web.StreamResponse(headers=exchange.call.headers)
    response.headers["Content-Type"] = _EVENT_STREAM
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Accel-Buffering"] = "no"
    await response.prepare(exchange.request)
    return response


def _last_word(error: ReplicaError, flight: Flight) -> Refusal:
    """The answer when no replica could be made to give one."""
    if flight.broken in {"first_byte", "too_long"}:
        return refusals.upstream_late(f"The model's server {flight.lane.replica}: {error}.")
    return refusals.upstream_failed(f"The model's server {flight.lane.replica}: {error}.")
