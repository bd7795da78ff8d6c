"""`tidegate receive`: settings to a listening door, until it is told to stop."""

import asyncio
import errno
import ssl
import sys
from typing import Any, Final

from aiohttp import web

from streams.clock import Clock, system_clock
from streams.errors import InvalidParameterError, PortTakenError, TidegateError
from streams.log import get_logger
from streams.publisher import Publisher
from streams.receive.app import create_receiver
from streams.receive.genai import Naming
from streams.receive.inlet import Inlet, Publishing, in_time_us
from streams.receive.otlp import Otlp
from streams.receive.remote_write import RemoteWrite
from streams.receive.settings import ReceiveSettings
from streams.settings import StreamSettings
from streams.together import stop_on_signals

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


def receiver(
    stream: StreamSettings, cluster: str, publisher: Publishing, clock: Clock = system_clock
) -> web.Application:
    """The app as the settings want it."""
    settings = stream.receive
    naming = Naming(
        cluster=cluster, pool=settings.span_pool_attributes, tenant=settings.tenant_attributes
    )
    places = settings.pool_labels, settings.replica_labels
    inlet = Inlet(naming, publisher, clock, in_time_us(stream.windows.lateness_s))
    return create_receiver(settings, Otlp(naming, *places), RemoteWrite(*places), inlet)


async def _serve(stream: StreamSettings, cluster: str) -> None:
    stop = stop_on_signals()
    async with Publisher(stream) as publisher:
        app = receiver(stream, cluster, publisher)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=GRACE_S, **UNPACKED_BY_US)
        await runner.setup()
        try:
            await _listen(runner, stream.receive)
            await stop.wait()
        finally:
            await runner.cleanup()


async def _listen(runner: web.AppRunner, settings: ReceiveSettings) -> None:
    try:
        tls = _tls(settings)
        await web.TCPSite(runner, settings.host, settings.port, ssl_context=tls).start()
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            setting = "TIDEGATE_STREAM__RECEIVE__PORT"
            raise PortTakenError("receiver", settings.port, setting) from exc
        allowed = f"an address of this machine ({exc.strerror})"
        raise InvalidParameterError("receive.host", settings.host, allowed) from exc
    log.info("receiver_listens", host=settings.host, port=settings.port, tls=tls is not None)


def _tls(settings: ReceiveSettings) -> ssl.SSLContext | None:
    if not settings.tls_cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key or None, password="")
    except OSError as exc:
        allowed = f"a certificate, with its key in receive.tls_key ({exc})"
        raise InvalidParameterError("receive.tls_cert", settings.tls_cert, allowed) from exc
    return context
