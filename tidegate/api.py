"""The `api` role: control API and live page over views that topics feed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from autoscaler.api.app import create_api
from autoscaler.api.day_before import DayBefore
from autoscaler.api.view import VIEW_TOPICS, View
from autoscaler.decision_log import DecisionLog
from dashboards import live
from streams.clock import system_clock
from streams.errors import MissingRequirementError
from streams.publisher import Publisher
from streams.reader import TopicReader
from tidegate.ports import require_free
from tidegate.settings import Settings


def run(settings: Settings) -> int:
    """Serve until a signal; the exit code."""
    api = settings.api
    if api.host in {"127.0.0.1", "localhost"} and api.port:
        require_free(api.port, "control API", "TIDEGATE_API__PORT")
    for file in (api.tls_cert, api.tls_key):
        if file and not Path(file).is_file():
            raise MissingRequirementError(f"file {file}", "set api.tls_cert and api.tls_key")
    server = uvicorn.Server(
        uvicorn.Config(
            create(settings),
            host=api.host,
            port=api.port,
            log_level="warning",
            access_log=False,
            ssl_certfile=api.tls_cert or None,
            ssl_keyfile=api.tls_key or None,
            timeout_graceful_shutdown=2,
            server_header=False,
        )
    )
    server.run()
    return 0


def create(settings: Settings) -> FastAPI:
    view = View(shards=settings.stream.topics.shards)
    view.catching_up = True
    publisher = Publisher(settings.stream)
    recall = DayBefore(settings.stream)
    past = DecisionLog(settings.stream).at
    app = create_api(view, publisher.send, settings.api, system_clock, recall, past)
    live.mount(app, view, system_clock, recall)
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with inner(app), publisher:
            feeding = asyncio.create_task(_feed(settings, view))
            yield
            feeding.cancel()
            with suppress(asyncio.CancelledError):
                await feeding

    app.router.lifespan_context = lifespan
    return app


async def _feed(settings: Settings, view: View) -> None:
    async with TopicReader(settings.stream, VIEW_TOPICS) as reader:
        view.catching_up = not reader.caught_up.is_set()
        async for messages in reader.batches():
            view.feed(messages)
            view.catching_up = not reader.caught_up.is_set()
