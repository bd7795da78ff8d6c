"""The gateway as an aiohttp application: routes to handlers, parts put together."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from model_backend.access.keys import Keyring
from model_backend.access.limits import Limits
from model_backend.gateway import refusals
from model_backend.gateway.desk import Desk
from model_backend.gateway.door import Door, error_response, fresh_headers, json_response
from model_backend.gateway.emit import Emit, Emitter
from model_backend.gateway.job_runner import POLL_S, JobRunner
from model_backend.gateway.jobs import JobTable
from model_backend.gateway.metrics import GatewayMetrics
from model_backend.gateway.pools_view import PoolsView
from model_backend.gateway.proxy import PATHS, Completions
from model_backend.gateway.refusals import RefusedError
from model_backend.gateway.upstream import AiohttpUpstream, Upstream
from model_backend.gateway.videos import Videos
from model_backend.gateway.watch import Watch
from model_backend.settings import BackendSettings
from streams.clock import SECOND_US, Clock
from streams.loopback import LOOPBACK
from streams.retry import Attempts, persist

TICK_S: Final = 0.25
_log = structlog.get_logger(__name__)


class Gateway:
    """The routes, and what goes on beside them."""

    def __init__(self, door: Door, table: JobTable, runner: JobRunner) -> None:
        self.door = door
        self._runner = runner
        self._completions = Completions(door)
        self._videos = Videos(door, table, runner)
        self._since_s = door.clock() // SECOND_US

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post(PATHS["chat"], self._chat),
            web.post(PATHS["completions"], self._text),
            web.get("/v1/models", self._models),
            web.get("/v1/models/{id}", self._model),
            *self._videos.routes(),
            web.get("/health", self._health),
            web.get("/metrics", self._metrics),
            web.route("*", "/{path:.*}", self._nothing),
        ]

    def tick(self) -> None:
        """Time has passed; called a few times a second."""
        self.door.watch.tick()
        self._runner.expire()

    async def open(self) -> None:
        await self.door.upstream.open()
        await self._runner.open()
        for pool in self.door.desks:
            self.sync(pool)
        self.door.view.listen(self.sync)

    async def close(self) -> None:
        await self._runner.close()
        await self.door.watch.close()
        await self.door.upstream.close()

    def sync(self, pool: str) -> None:
        """The replicas of a pool have changed."""
        view = self.door.view
        self.door.desks[pool].sync(view.replicas(pool), view.slots, self.door.clock())

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        return await self._completions.handle(request, "chat")

    async def _text(self, request: web.Request) -> web.StreamResponse:
        return await self._completions.handle(request, "completions")

    async def _models(self, request: web.Request) -> web.Response:
        self.door.authenticate(request)
        owners = {pool.model: pool.service for pool in self.door.view.pools}
        data = [self._document(model, owner) for model, owner in owners.items()]
        return json_response({"object": "list", "data": data}, fresh_headers())

    async def _model(self, request: web.Request) -> web.Response:
        self.door.authenticate(request)
        model = request.match_info["id"]
        found = self.door.view.serving(model)
        if not found:
            raise RefusedError(refusals.model_not_found(model))
        return json_response(self._document(model, found[0].service), fresh_headers())

    def _document(self, model: str, owner: str) -> dict[str, object]:
        return {
            "id": model,
            "object": "model",
            "created": self._since_s,
            "owned_by": owner,
            "shutdown_date": None,
        }

    async def _health(self, _: web.Request) -> web.Response:
        return json_response({"status": "ok"}, fresh_headers())

    async def _metrics(self, request: web.Request) -> web.Response:
        if self.door.settings.host not in LOOPBACK:
            self.door.authenticate(request)
        text = self.door.metrics.exposition(self.door.desks, self.door.emitter.dropped)
        headers = {**fresh_headers(), "Content-Type": "text/plain; version=0.0.4"}
        return web.Response(body=text, headers=headers)

    async def _nothing(self, request: web.Request) -> web.Response:
        if any(route.path == request.path for route in self.routes()):
            raise RefusedError(refusals.wrong_method(request.method, request.path))
        message = f"Unknown request URL: {request.method} {request.path[:200]}."
        raise RefusedError(refusals.not_found(message))


GATEWAY: Final = web.AppKey("gateway", Gateway)
"""``app[GATEWAY]``: for whoever has to tell it that time has passed."""


def create_gateway(  # noqa: PLR0913  # its collaborators, each named
    settings: BackendSettings,
    *,
    cluster: str,
    emit: Emit,
    pools: PoolsView,
    clock: Clock,
    upstream: Upstream | None = None,
    poll_s: float = POLL_S,
) -> web.Application:
    """The OpenAI-compatible door in front of the pools of ``settings``.

    Run it with ``handler_cancellation=True``, or clients that leave go unnoticed. ``emit`` must
    not block; ``pools`` is fed by the caller on the same loop. ``upstream`` is the client that
    reaches replicas; ``poll_s`` the pause between two looks at a job. Raises
    InvalidParameterError for keys that contradict each other.
    """
    own = settings.gateway
    emitter = Emitter(emit, cluster=cluster, gateway=f"{own.host}:{own.port}")
    upstream = upstream or AiohttpUpstream()
    desks: dict[str, Desk] = {}
    watch = Watch(desks, emitter, upstream, own, clock=clock)
    for pool in settings.pools:
        desks[pool.name] = Desk(pool.name, max_queue=own.max_queue, freed=watch.told_leaving)
    door = Door(
        settings=own,
        clock=clock,
        view=pools,
        keyring=Keyring(own.keys, allow_anonymous=own.allow_anonymous),
        limits=Limits(),
        desks=desks,
        emitter=emitter,
        metrics=GatewayMetrics(),
        upstream=upstream,
        watch=watch,
    )
    table = JobTable()
    gateway = Gateway(door, table, JobRunner(door, table, poll_s=poll_s))
    app = web.Application(client_max_size=own.max_body_bytes, middlewares=[_refuse])
    app[GATEWAY] = gateway
    app.add_routes(gateway.routes())
    app.cleanup_ctx.append(_live)
    return app


async def _live(app: web.Application) -> AsyncIterator[None]:
    """What goes on as long as the application does."""
    gateway = app[GATEWAY]
    await gateway.open()
    tick = partial(_tick, gateway)
    ticking = asyncio.create_task(persist(tick, on_error=_stumbled, attempts=Attempts()))
    yield
    ticking.cancel()
    await asyncio.gather(ticking, return_exceptions=True)
    await gateway.close()


async def _tick(gateway: Gateway) -> None:
    while True:
        await asyncio.sleep(TICK_S)
        gateway.tick()


def _stumbled(exc: Exception) -> None:
    _log.error("tick_failed", error=f"{type(exc).__name__}: {exc}", place=_place(exc))


@web.middleware
async def _refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every no, our own mistakes too, is answered in the form that clients read."""
    try:
        return await handler(request)
    except RefusedError as exc:
        return error_response(exc.refusal, fresh_headers())
    except (ConnectionResetError, web.HTTPException):
        raise
    except Exception as exc:  # noqa: BLE001  # a boundary: the client is told, the log has the rest
        # Not the whole trace: its frames hold keys and prompts.
        _log.error("request_failed", error=f"{type(exc).__name__}: {exc}", place=_place(exc))
        return error_response(refusals.internal(), fresh_headers())


def _place(exc: BaseException) -> str:
    """Function and line where it was raised."""
    place, trace = "", exc.__traceback__
    while trace is not None:
        place, trace = f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}", trace.tb_next
    return place
