"""What every request passes on its way in and out: key, limits, body, pool, the last word."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import uuid4

import msgspec
from aiohttp import web

from model_backend.access.keys import KeyProblem, Keyring, Tenant
from model_backend.access.limits import Allowance, Limits
from model_backend.gateway import refusals
from model_backend.gateway.bodies import model_named
from model_backend.gateway.calls import Call, End, Route
from model_backend.gateway.desk import Deadline, Desk
from model_backend.gateway.emit import Emitter
from model_backend.gateway.metrics import GatewayMetrics
from model_backend.gateway.pools_view import PoolsView
from model_backend.gateway.refusals import Refusal, RefusedError
from model_backend.gateway.upstream import Upstream
from model_backend.gateway.watch import Watch
from model_backend.settings import GatewaySettings, PoolSettings
from streams.clock import SECOND_US, Clock

T = TypeVar("T")

BODY_TIMEOUT_S: Final = 30.0
CLIENT_LEFT: Final = 499
"""Told in events only: nobody is left to read it."""
REQUEST_ID: Final = "x-request-id"
MAX_CLIENT_RETRIES: Final = 100
_SHED: Final = frozenset({"queue_full", "queue_timeout"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """The parts of a gateway, and the steps that all its routes share."""

    settings: GatewaySettings
    clock: Clock
    view: PoolsView
    keyring: Keyring
    limits: Limits
    desks: Mapping[str, Desk]
    emitter: Emitter
    metrics: GatewayMetrics
    upstream: Upstream
    watch: Watch

    def open(self, request: web.BaseRequest, route: Route) -> Call:
        """A request has come in; nothing of it is known to be true."""
        headers = fresh_headers()
        call = Call(
            id=headers[REQUEST_ID], route=route, arrived_at_us=self.clock(), headers=headers
        )
        call.pool = self._probable_pool(route)
        retries = request.headers.get("x-stainless-retry-count", "0")
        if retries.isascii() and retries.isdigit():
            call.client_retry = min(int(retries[:3]), MAX_CLIENT_RETRIES)
        return call

    def authenticate(self, request: web.BaseRequest) -> Tenant:
        """Raises RefusedError for strangers."""
        found = self.keyring.identify(request.headers.get("Authorization"))
        if isinstance(found, Tenant):
            return found
        missing = found is KeyProblem.MISSING
        raise RefusedError(refusals.key_missing() if missing else refusals.key_wrong())

    def admit(self, call: Call, tenant: Tenant) -> None:
        """Count it against its tenant's limits; ``limits.release`` when it ends."""
        call.tenant = tenant.name
        allowance = self.limits.admit(tenant, call.arrived_at_us)
        call.headers.update(_limit_headers(allowance))
        match allowance.reason:
            case "rate_limited":
                refusal = refusals.rate_limited(allowance.limit, allowance.retry_after_s)
                raise RefusedError(refusal)
            case "too_many_in_flight":
                raise RefusedError(refusals.too_many_in_flight(tenant.max_in_flight))
            case "":
                pass

    async def receive(self, request: web.Request, read: Callable[[], Awaitable[T]]) -> T:
        """The body, by ``read``. Raises RefusedError if it is too large or does not come."""
        limit = self.settings.max_body_bytes
        if (request.content_length or 0) > limit:
            raise RefusedError(refusals.too_large(limit))
        try:
            if request.content.is_eof():
                return await read()
            async with asyncio.timeout(BODY_TIMEOUT_S):
                return await read()
        except web.HTTPRequestEntityTooLarge as exc:
            raise RefusedError(refusals.too_large(limit)) from exc
        except TimeoutError as exc:
            raise RefusedError(refusals.body_late(BODY_TIMEOUT_S)) from exc

    def find_pool(self, model: str, *, jobs: bool) -> PoolSettings:
        """A pool of the model, rather one with room, or with replicas at least.

        Raises RefusedError if there is none.
        """
        found = [pool for pool in self.view.serving(model) if (pool.role == "job") == jobs]
        if not found:
            raise RefusedError(refusals.model_not_found(model))
        desks = self.desks
        return max(found, key=lambda pool: (desks[pool.name].has_room, desks[pool.name].warm))

    def deadline(self, since_us: int) -> Deadline:
        """How long a request that came then waits for a replica."""
        last_us = since_us + round(self.settings.starting_timeout_s * SECOND_US)
        return Deadline(since_us, round(self.settings.queue_timeout_s * SECOND_US), last_us)

    def malformed(self, call: Call, body: bytes, refusal: Refusal) -> RefusedError:
        """The error to raise; the pool it was meant for is told of if the body says so much."""
        jobs = call.route == "videos"
        for pool in self.view.serving(model_named(body)):
            if (pool.role == "job") == jobs:
                call.pool, call.model = pool.name, pool.model
        return RefusedError(refusal)

    def arrived(self, call: Call) -> None:
        self.emitter.arrived(call, self.clock())

    def ended(self, call: Call, kind: End, status: int, reason: str = "") -> None:
        """The end of a request: told once, counted once."""
        call.over = True
        self.metrics.ended(call, kind, status)
        self.emitter.ended(call, kind, status, reason, self.clock())

    def refused(self, call: Call, refusal: Refusal) -> web.Response:
        """The answer that says no; what we failed at is `finished`, what we declined `rejected`."""
        ours = refusal.status >= 500 and refusal.reason not in _SHED
        self.ended(call, "finished" if ours else "rejected", refusal.status, refusal.reason)
        return error_response(refusal, call.headers)

    def used(self, call: Call, *, seconds: float = 0.0) -> None:
        service = self.view.pool(call.pool).service
        self.emitter.used(call, service, self.clock(), seconds=seconds)

    def _probable_pool(self, route: Route) -> str:
        """The pool meant by whoever does not get as far as naming a model, if only one can be."""
        jobs = route == "videos"
        names = [pool.name for pool in self.view.pools if (pool.role == "job") == jobs]
        return names[0] if len(names) == 1 else ""


def fresh_headers() -> dict[str, str]:
    """A new request id, for every answer."""
    return {REQUEST_ID: f"req_{uuid4().hex}"}


def json_response(value: object, headers: Mapping[str, str]) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), content_type="application/json", headers=headers
    )


def error_response(refusal: Refusal, headers: Mapping[str, str]) -> web.Response:
    headers = dict(headers)
    if refusal.retry_after_s is not None:
        headers["Retry-After"] = str(refusal.retry_after_s)
    return web.Response(
        status=refusal.status,
        body=refusal.body(),
        content_type="application/json",
        headers=headers,
    )


def duration_text(seconds: float) -> str:
    """As OpenAI writes spans in headers.

    >>> [duration_text(s) for s in (0, 0.02, 1, 1.5, 360)]
    ['0s', '20ms', '1s', '1.5s', '6m0s']
    """
    if 0 < seconds < 1:
        return f"{max(1, round(seconds * 1000))}ms"
    minutes, rest = divmod(round(seconds, 3), 60)
    return f"{int(minutes)}m{rest:g}s" if minutes else f"{rest:g}s"


def _limit_headers(allowance: Allowance) -> dict[str, str]:
    return {
        "x-ratelimit-limit-requests": str(allowance.limit),
        "x-ratelimit-remaining-requests": str(allowance.remaining),
        "x-ratelimit-reset-requests": duration_text(allowance.reset_s),
    }
