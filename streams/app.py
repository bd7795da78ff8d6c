"""The process of one stage: make its Faust app, run it until told to stop, say why it failed."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

from aiokafka.errors import KafkaError

from streams.batched import App
from streams.connection import wait_for_broker
from streams.errors import TidegateError
from streams.log import get_logger
from streams.settings import StreamSettings
from streams.together import stop_on_signals

__all__ = ["App", "create_app", "run_app"]

log = get_logger(__name__)

STOP_S: Final = 4.0
"""After this long a stopping process ends whatever still hangs."""


def create_app(stage: str, settings: StreamSettings) -> App:
    """A Faust app that reads in batches, commits nothing itself and has no web server."""
    return App(stage, settings)


def run_app(app: App) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code.

    0: asked to stop. 1: no broker within 20 s, or the app failed; one sentence on standard error.
    """
    try:
        return asyncio.run(_run(app))
    except TidegateError as exc:
        _say(app, str(exc))
        return 1


async def _run(app: App) -> int:
    stop = stop_on_signals()
    asked = asyncio.create_task(stop.wait())
    beating = asyncio.create_task(app.vitals.beat(), name="beat")
    if not await _done_before(asked, wait_for_broker(app.settings, app.subscribed)):
        beating.cancel()
        return 0
    code = 1
    try:
        await _work(app, asked)
        code = 0
    except KafkaError as exc:
        _say(app, f"failed ({exc}); start it again")
    finally:
        await _stop(app, code)
    return code


async def _work(app: App, asked: asyncio.Task[bool]) -> None:
    """Until asked to stop; raises what ended the app before that."""
    started = await _done_before(asked, app.start())
    if started and await _done_before(asked, app.failed.wait()):
        raise KafkaError(repr(app.crash_reason))


async def _done_before(asked: asyncio.Task[bool], work: Coroutine[Any, Any, Any]) -> bool:
    """Whether ``work`` was done before we were asked to stop; its errors come through."""
    task = asyncio.create_task(work)
    await asyncio.wait([asked, task], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
        return True
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return False


async def _stop(app: App, code: int) -> None:
    try:
        await asyncio.wait_for(app.stop(), STOP_S)
    except TimeoutError:
        log.warning("stop_forced", stage=app.stage, after_s=STOP_S)
        sys.stderr.flush()
        # A thread of the consumer hangs on a broker that is gone: nothing of ours is open any more.
        os._exit(code)


def _say(app: App, what: str) -> None:
    sys.stderr.write(f"tidegate {app.stage}: {what}\n")
    sys.stderr.flush()
