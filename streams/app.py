"""The process of one stage: make its Faust app, run it until told to stop, say why it failed."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from typing import Final

from streams.batched import App
from streams.connection import wait_for_broker
from streams.errors import TidegateError
from streams.log import get_logger
from streams.settings import StreamSettings

__all__ = ["App", "create_app", "run_app"]

log = get_logger(__name__)

STOP_S: Final = 2.5
"""After this long a stopping process ends whatever still hangs."""


def create_app(stage: str, settings: StreamSettings) -> App:
    """A Faust app that reads in batches, commits nothing itself and has no web server."""
    return App(stage, settings)


def run_app(app: App) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code.

    0: asked to stop. 1: no broker within 20 s, or the app failed; one sentence on standard error.
    """
    code = 1
    try:
        code = asyncio.run(_run(app))
    except TidegateError as exc:
        sys.stderr.write(f"tidegate {app.stage}: {exc}\n")
    except KeyboardInterrupt:
        code = 0
    sys.stderr.flush()
    return code


async def _run(app: App) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    asked = asyncio.create_task(stop.wait())
    if await _unless(asked, wait_for_broker(app.settings)):
        return 0
    try:
        if not await _unless(asked, app.start()):
            await _unless(asked, app.failed.wait())
    finally:
        await _stop(app)
    if app.crash_reason is not None and not stop.is_set():
        raise StageFailedError(app.stage, app.crash_reason)
    return 0


class StageFailedError(TidegateError):
    """The Faust app ended by itself."""

    def __init__(self, stage: str, cause: BaseException) -> None:
        super().__init__(f"stage {stage} failed ({type(cause).__name__}: {cause}); start it again")


async def _unless(asked: asyncio.Task[bool], work: object) -> bool:
    """Do ``work`` unless asked to stop before it is done; True if so. Errors of it come through."""
    task = asyncio.ensure_future(work)  # type: ignore[call-overload]
    await asyncio.wait([asked, task], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
        return False
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return True


async def _stop(app: App) -> None:
    try:
        await asyncio.wait_for(app.stop(), STOP_S)
    except TimeoutError:
        log.warning("stop_forced", stage=app.stage, after_s=STOP_S)
        sys.stderr.flush()
        # A thread of the consumer hangs on a broker that is gone: nothing of ours is open any more.
        os._exit(0)
