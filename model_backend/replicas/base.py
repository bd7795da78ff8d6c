"""What every replica program has: its options, its door with health and metrics, its end."""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from streams.errors import PortTakenError
from streams.together import stop_on_signals

MAX_BODY_BYTES: Final = 1_048_576
PARENT_CHECK_S: Final = 1.0
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaOptions:
    """What every replica is told, whatever it runs.

    slots: requests it serves at once. start_delay_s: declared extra delay before it is ready, as
    a GPU node would take. parent_pid: the process whose end it must not outlive, 0 for none.
    """

    name: str
    model: str
    slots: int = 1
    start_delay_s: float = 0.0
    port: int = 0
    fd: int = -1
    """An inherited listening socket to use instead of ``port``."""
    parent_pid: int = 0


class ReplicaMetrics:
    """What every replica says about itself, whatever its engine says besides."""

    def __init__(self, options: ReplicaOptions) -> None:
        self.registry = CollectorRegistry()
        self.ready = self._gauge("tidegate_replica_ready", "1 once it serves")
        self.running = self._gauge("tidegate_replica_requests_running", "requests being served")
        self.waiting = self._gauge(
            "tidegate_replica_requests_waiting", "requests waiting for a slot"
        )
        self.finished = self._counter("tidegate_replica_requests", "requests served to the end")
        self.output_tokens = self._counter("tidegate_replica_output_tokens", "tokens handed out")
        slots = self._gauge("tidegate_replica_slots", "requests it serves at once")
        slots.set(options.slots)

    def declare(self, name: str, meaning: str, value: float) -> None:
        """Say a fixed fact, such as a demo cap, where everybody looks."""
        self._gauge(name, meaning).set(value)

    def exposition(self) -> str:
        return generate_latest(self.registry).decode()

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(name, meaning, registry=self.registry)

    def _counter(self, name: str, meaning: str) -> Counter:
        return Counter(name, meaning, registry=self.registry)


class Replica(Protocol):
    """An engine and its routes. The constructor checks what it needs and raises TidegateError."""

    metrics: ReplicaMetrics

    @staticmethod
    def add_arguments(parser: ArgumentParser) -> None:
        """Declare the options of this kind."""
        ...

    def __init__(self, options: ReplicaOptions, arguments: Namespace) -> None: ...

    async def start(self) -> None:
        """Load whatever takes long; the loop stays free meanwhile."""
        ...

    def routes(self) -> list[web.RouteDef]:
        """Its own routes; 503 until ``start`` and the start delay are over."""
        ...

    async def exposition(self) -> str:
        """Metrics of the engine itself, to stand beside ``metrics``; may be empty."""
        ...

    async def close(self) -> None:
        """Stop work and free what ``start`` took."""
        ...


def create_replica_app(replica: Replica, options: ReplicaOptions) -> web.Application:
    """The door of one replica: /health, /metrics and its own routes."""

    async def health(_: web.Request) -> web.Response:
        ready = bool(app[_READY].is_set())
        state = {"status": "ok" if ready else "loading", "replica": options.name}
        return json_response(state, status=200 if ready else 503)

    async def metrics(_: web.Request) -> web.Response:
        engine = await replica.exposition() if app[_READY].is_set() else ""
        text = replica.metrics.exposition() + engine
        return web.Response(text=text, headers={"Content-Type": "text/plain; version=0.0.4"})

    @web.middleware
    async def only_when_ready(
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        if app[_READY].is_set() or request.path in {"/health", "/metrics"}:
            return await handler(request)
        return problem(503, f"{options.name} is still starting", kind="service_unavailable")

    app = web.Application(middlewares=[only_when_ready], client_max_size=MAX_BODY_BYTES)
    app[_READY] = asyncio.Event()
    app.router.add_get("/health", health)
    app.router.add_get("/metrics", metrics)
    app.add_routes(replica.routes())
    return app


_READY: Final = web.AppKey("ready", asyncio.Event)


async def serve(replica: Replica, options: ReplicaOptions) -> None:
    """Run until SIGTERM, SIGINT or the end of the parent. Raises TidegateError if it cannot."""
    app = create_replica_app(replica, options)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    stop = stop_on_signals()
    watching = asyncio.create_task(_stop_with_parent(options.parent_pid, stop))
    loading = asyncio.create_task(_load_or_stop(app, replica, options, stop))
    try:
        await _listen(runner, options)
        await stop.wait()
        if loading.done():
            loading.result()
    finally:
        for task in (watching, loading):
            task.cancel()
        await asyncio.gather(watching, loading, return_exceptions=True)
        await runner.cleanup()
        await replica.close()


async def load(app: web.Application, replica: Replica, options: ReplicaOptions) -> None:
    """Load and sit out the declared start delay, whichever takes longer; then open the door."""
    await asyncio.gather(replica.start(), asyncio.sleep(options.start_delay_s))
    replica.metrics.ready.set(1)
    app[_READY].set()


async def _load_or_stop(
    app: web.Application, replica: Replica, options: ReplicaOptions, stop: asyncio.Event
) -> None:
    try:
        await load(app, replica, options)
    except BaseException:
        stop.set()
        raise


async def _listen(runner: web.AppRunner, options: ReplicaOptions) -> None:
    if options.fd >= 0:
        await web.SockSite(runner, socket.socket(fileno=options.fd)).start()
        return
    try:
        await web.TCPSite(runner, "127.0.0.1", options.port).start()
    except OSError as exc:
        raise PortTakenError(f"replica {options.name}", options.port, "--port") from exc


async def _stop_with_parent(parent_pid: int, stop: asyncio.Event) -> None:
    """Stop once the parent has ended, where the kernel does not see to it."""
    while not parent_pid or os.getppid() == parent_pid:  # noqa: ASYNC110 - nobody tells us
        await asyncio.sleep(PARENT_CHECK_S)
    stop.set()


def end_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, even if it is frozen (Linux)."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def json_response(value: object, *, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json"
    )


def problem(status: int, message: str, *, kind: str = "invalid_request_error") -> web.Response:
    """An error in the shape that clients of the OpenAI API expect."""
    return json_response(
        {"error": {"message": message, "type": kind, "param": None, "code": None}}, status=status
    )


async def read_object(request: web.Request) -> dict[str, Any] | None:
    """The JSON object in the body, or None if it is none."""
    try:
        value = msgspec.json.decode(await request.read())
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
