"""The door for what is pushed to us: OTLP, Prometheus remote write and changes, as an app."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Final, Literal

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from streams import metrics
from streams.errors import BrokerUnavailableError, CorruptMessageError
from streams.log import get_logger
from streams.receive.bodies import BodyError
from streams.receive.changes import SIGNED, ChangesDoor
from streams.receive.inlet import Inlet, count_items
from streams.receive.otlp import Encoding, Otlp
from streams.receive.reading import body_of, otlp_encoding, welcome, write_version
from streams.receive.remote_write import RemoteWrite
from streams.receive.settings import ReceiveSettings

RETRY_AFTER_S: Final = 2
log = get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def create_receiver(
    settings: ReceiveSettings, otlp: Otlp, written: RemoteWrite, changes: ChangesDoor, inlet: Inlet
) -> web.Application:
    """An app that answers whatever comes; ``inlet`` runs as long as it does."""
    door = Door(settings, otlp, written, inlet)
    app = web.Application(middlewares=[door.guard], client_max_size=0)
    app.add_routes(
        [
            web.post("/v1/metrics", door.metrics, name="otlp_metrics"),
            web.post("/v1/traces", door.traces, name="otlp_traces"),
            web.post("/api/v1/write", door.write, name="remote_write"),
            *changes.routes(),
            web.get("/metrics", _own_metrics),
            web.get("/healthz", _health),
        ]
    )

    async def running(_: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(inlet.run(), name="inlet")
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    app.cleanup_ctx.append(running)
    return app


class Door:
    """Reads a body, hands on what it says, answers as the protocol wants."""

    def __init__(
        self, settings: ReceiveSettings, otlp: Otlp, written: RemoteWrite, inlet: Inlet
    ) -> None:
        self._settings = settings
        self._otlp = otlp
        self._written = written
        self._inlet = inlet
        self._at_once = 0

    async def metrics(self, request: web.Request) -> web.Response:
        encoding = otlp_encoding(request)
        body = await body_of(request, self._settings)
        read = await asyncio.to_thread(self._otlp.metrics, body, encoding)
        refused = read.refused + self._inlet.take_points(read.points)
        count_items("otlp_metrics", len(read.points) + read.ignored, read.ignored, refused)
        return self._exported("metrics", encoding, refused)

    async def traces(self, request: web.Request) -> web.Response:
        encoding = otlp_encoding(request)
        body = await body_of(request, self._settings)
        read = await asyncio.to_thread(self._otlp.traces, body, encoding)
        refused = read.refused + await self._inlet.take_spans(read.spans)
        count_items("otlp_traces", len(read.spans) + read.ignored, read.ignored, refused)
        return self._exported("trace", encoding, refused)

    async def write(self, request: web.Request) -> web.Response:
        version = write_version(request)
        body = await body_of(request, self._settings, usual="snappy")
        read = await asyncio.to_thread(self._written.read, body, version)
        refused: Counter[str] = Counter()
        headers = {"X-Prometheus-Remote-Write-Exemplars-Written": "0"}
        for name, part in (("Samples", read.samples), ("Histograms", read.histograms)):
            unfit = part.refused + self._inlet.take_points(part.points)
            refused += unfit
            count_items("remote_write", part.came, part.ignored, unfit)
            written = part.came - unfit.total()
            headers[f"X-Prometheus-Remote-Write-{name}-Written"] = str(written)
        if refused:
            # What is wrong stays wrong: 4xx tells the sender not to send it again.
            return web.Response(status=400, text=_said(refused), headers=headers)
        return web.Response(status=204, headers=headers)

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Every answer that is not the handler's own."""
        door = request.match_info.route.name or ""
        try:
            if door not in SIGNED:
                welcome(request, self._settings)
            if not door:
                return await handler(request)
            self._inlet.require_room()
            return await self._one_of_few(request, handler)
        except BodyError as exc:
            return _refusal(request, door, exc)
        except CorruptMessageError as exc:
            return _refusal(request, door, BodyError(400, "corrupt", str(exc)))
        except BrokerUnavailableError as exc:
            log.warning("door_shut", door=door, cause=str(exc))
            return _refusal(request, door, BodyError(503, "broker", "the broker does not answer"))

    async def _one_of_few(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._at_once >= self._settings.max_at_once:
            raise BodyError(503, "busy", f"{self._at_once} requests are being read")
        self._at_once += 1
        try:
            return await handler(request)
        finally:
            self._at_once -= 1

    def _exported(
        self, kind: Literal["metrics", "trace"], encoding: Encoding, refused: Counter[str]
    ) -> web.Response:
        answer = self._otlp.answer(kind, refused.total(), _said(refused))
        return web.Response(
            body=self._otlp.encoded(answer, encoding), content_type=_CONTENT_TYPES[encoding]
        )


_CONTENT_TYPES: Final = {"proto": "application/x-protobuf", "json": "application/json"}


def _refusal(request: web.Request, door: str, error: BodyError) -> web.Response:
    if door:
        metrics.DOOR_REFUSED.labels(door, error.reason).inc()
    headers = {"Retry-After": str(RETRY_AFTER_S)} if error.status == 503 else {}
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="tidegate"'
    if door.startswith("otlp") and request.content_type == "application/x-protobuf":
        body = _status(str(error))
        kind = "application/x-protobuf"
        return web.Response(status=error.status, body=body, content_type=kind, headers=headers)
    if door.startswith("otlp"):
        return web.json_response({"message": str(error)}, status=error.status, headers=headers)
    return web.Response(status=error.status, text=str(error), headers=headers)


def _status(message: str) -> bytes:
    """A google.rpc.Status with just a message, in protobuf: field 2, a text."""
    text = message.encode()[:127]
    return b"\x12" + bytes([len(text)]) + text


def _said(refused: Counter[str]) -> str:
    return "; ".join(f"{count} {reason}" for reason, count in refused.most_common(5))


async def _own_metrics(_: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _health(_: web.Request) -> web.Response:
    return web.Response(text="well\n")
