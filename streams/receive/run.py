"""`tidegate receive`: settings to a listening door, until it is told to stop."""

import asyncio
import sys
from typing import Any, Final, NamedTuple

from aiohttp import web

from streams.clock import Clock, system_clock
from streams.door import Door
from streams.errors import TidegateError
from streams.log import get_logger
from streams.publisher import Publisher
from streams.receive.app import create_receiver
from streams.receive.changes import ChangesDoor
from streams.receive.genai import Naming
from streams.receive.inlet import Inlet, Publishing, in_time_us
from streams.receive.otlp import Otlp
from streams.receive.remote_write import RemoteWrite
from streams.receive.topics import follow
from streams.settings import StreamSettings
from streams.together import stop_on_signals, until_one_ends

GRACE_S: Final = 5.0
UNPACKED_BY_US: Final[dict[str, Any]] = {"auto_decompress": False}
"""aiohttp would unpack a body before anybody has looked at its size."""
log = get_logger(__name__)


def run_receiver(stream: StreamSettings, cluster: str) -> int:
    """Serve until SIGTERM or SIGINT; the exit code. Says in one sentence why it cannot."""
    try:
        asyncio.run(_serve(stream, cluster))
    except TidegateError as exc:
        sys.stderr.write(f"tidegate receive: {exc}\n")
        return 1
    return 0


class Receiver(NamedTuple):
    """The door, and what is behind it."""

    app: web.Application
    otlp: Otlp
    inlet: Inlet


def receiver(
    stream: StreamSettings, cluster: str, publisher: Publishing, clock: Clock = system_clock
) -> Receiver:
    """As the settings want it."""
    settings = stream.receive
    naming = Naming(
        cluster=cluster, pool=settings.span_pool_attributes, tenant=settings.tenant_attributes
    )
    places = settings.pool_labels, settings.replica_labels
    inlet = Inlet(naming, publisher, clock, in_time_us(stream.windows.lateness_s))
    changes = ChangesDoor(settings, cluster, inlet, clock)
    otlp = Otlp(naming, *places)
    app = create_receiver(settings, otlp, RemoteWrite(*places), changes, inlet)
    return Receiver(app, otlp, inlet)


async def _serve(stream: StreamSettings, cluster: str) -> None:
    stop = stop_on_signals()
    door = Door.of(
        stream.receive,
        name="receiver",
        section="receive",
        variable="TIDEGATE_STREAM__RECEIVE__PORT",
    )
    tls = door.tls()
    async with Publisher(stream) as publisher:
        made = receiver(stream, cluster, publisher)
        runner = web.AppRunner(
            made.app, access_log=None, shutdown_timeout=GRACE_S, **UNPACKED_BY_US
        )
        await runner.setup()
        try:
            await door.open(runner, tls)
            log.info("receiver_listens", host=door.host, port=door.port, tls=tls is not None)
            topics = stream.receive.metric_topics
            reading = [follow(stream, made.otlp, made.inlet)] if topics else []
            await until_one_ends(stop.wait(), *reading)
        finally:
            await runner.cleanup()
