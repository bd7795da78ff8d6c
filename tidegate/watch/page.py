"""The live page of `tidegate watch`: on loopback, and nothing can be asked for there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from socket import socket

import uvicorn

from autoscaler.api.app import create_api
from autoscaler.api.view import View
from autoscaler.settings import ApiSettings
from dashboards import live
from streams.clock import Clock
from streams.errors import TidegateError
from streams.stage import Out
from tidegate.ports import free_port


class ReadOnlyError(TidegateError):
    """Somebody asked for something where there is nobody to do it."""


async def _nobody(_: Out) -> None:
    raise ReadOnlyError("this is only a look: nothing is done here, and nothing kept of it")


@asynccontextmanager
async def serving(view: View, clock: Clock, port: int) -> AsyncIterator[str]:
    """Serve until left; yields the address."""
    port = port or free_port()
    app = create_api(view, _nobody, ApiSettings(port=port), clock)
    live.mount(app, view, clock)
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    await server.ready.wait()
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await serving


class _Server(uvicorn.Server):
    """Says when it listens; signals are the business of the command."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    def install_signal_handlers(self) -> None: ...

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()
