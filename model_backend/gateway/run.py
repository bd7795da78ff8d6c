"""The gateway as a process: settings to a listening door, until it is told to stop."""

import asyncio
import sys
from typing import Final

from aiohttp import web

from model_backend.gateway.app import create_gateway
from model_backend.gateway.pools_view import PoolsView
from model_backend.settings import BackendSettings
from streams.batch import Message
from streams.clock import system_clock
from streams.codec import decode_record
from streams.door import Door
from streams.errors import CorruptMessageError, TidegateError
from streams.log import get_logger
from streams.publisher import Publisher
from streams.reader import TopicReader
from streams.retry import Attempts, persist
from streams.schemas.scaling import PoolStatus, ReplicaStatus
from streams.settings import StreamSettings
from streams.together import stop_on_signals

GRACE_S: Final = 10.0
"""After SIGTERM, so long may streams go on."""
_log = get_logger(__name__)


def run_gateway(settings: BackendSettings, stream: StreamSettings, cluster: str) -> int:
    """Serve until SIGTERM or SIGINT; the exit code. Says in one sentence why it cannot.

    Goes on without a broker: replicas are those known last, or fixed in the settings; telemetry
    waits in a bounded buffer.
    """
    try:
        asyncio.run(serve(settings, stream, cluster, listening=asyncio.Event()))
    except TidegateError as exc:
        sys.stderr.write(f"tidegate gateway: {exc}\n")
        return 1
    return 0


async def serve(
    settings: BackendSettings, stream: StreamSettings, cluster: str, *, listening: asyncio.Event
) -> None:
    """Sets ``listening`` when the door is open.

    Raises PortTakenError, or InvalidParameterError for keys or certificates that will not do.
    """
    stopped = stop_on_signals()
    view = PoolsView(settings.pools, cluster=cluster)
    door = Door.of(
        settings.gateway,
        name="gateway",
        section="gateway",
        variable="TIDEGATE_BACKEND__GATEWAY__PORT",
    )
    tls = door.tls()
    async with Publisher(stream, buffer=settings.gateway.emit_buffer) as publisher:
        app = create_gateway(
            settings, cluster=cluster, emit=publisher.offer, pools=view, clock=system_clock
        )
        runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=GRACE_S
        )
        await runner.setup()
        following = asyncio.create_task(_follow(view, stream))
        try:
            await door.open(runner, tls)
            _log.info("gateway_listens", host=door.host, port=door.port, tls=tls is not None)
            listening.set()
            await stopped.wait()
        finally:
            # Stops accepting, lets what is under way end within the grace, cuts the rest.
            await runner.cleanup()
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


def feed(view: PoolsView, message: Message) -> None:
    """Take one message of `pools` in; one that cannot be read changes nothing."""
    parts = (message.key or b"").decode("utf-8", "replace").split("/")
    try:
        if message.value is None:
            if len(parts) == 3:
                view.forget(parts[1], parts[2])
        else:
            view.feed(decode_record(message.value, _KINDS.get(len(parts), PoolStatus)))
    except CorruptMessageError as exc:
        _log.warning("pool_record_unreadable", key="/".join(parts), cause=str(exc))


_KINDS: Final[dict[int, type[PoolStatus] | type[ReplicaStatus]]] = {2: PoolStatus, 3: ReplicaStatus}
"""By the number of parts of the key."""


async def _follow(view: PoolsView, stream: StreamSettings) -> None:
    """Feed the view from `pools`; without a broker, keep trying."""

    async def read() -> None:
        async with TopicReader(stream, ["pools"]) as reader:
            async for messages in reader.batches():
                for message in messages:
                    feed(view, message)

    def lost(exc: Exception) -> None:
        _log.warning("pools_unread", cause=str(exc))

    await persist(read, on_error=lost, attempts=Attempts())
