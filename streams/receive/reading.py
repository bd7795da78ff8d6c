"""A request's body off the wire, within its limits of size and time; and who may send one."""

import asyncio
import hmac
from typing import Literal

from aiohttp import web

from streams.loopback import LOOPBACK
from streams.receive.bodies import BodyError, plain
from streams.receive.settings import ReceiveSettings


def welcome(request: web.Request, settings: ReceiveSettings) -> None:
    """Raises BodyError for who may not come in.

    Without a token only this machine is served, under a loopback name and no page in a browser.
    """
    token = settings.token.get_secret_value()
    if token:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(
            given.strip().encode(), token.encode()
        ):
            raise BodyError(401, "unauthorized", "a valid bearer token is needed")
        return
    host = request.url.host or ""
    if "Origin" in request.headers or host not in LOOPBACK | {settings.host}:
        raise BodyError(403, "forbidden", "without receive.token only this machine is served")


async def body_of(request: web.Request, settings: ReceiveSettings, usual: str = "") -> bytes:
    """The whole body, unpacked; ``usual`` is its encoding if none is told. Raises BodyError."""
    if (request.content_length or 0) > settings.max_body_bytes:
        raise _too_large(settings)
    packed = bytearray()
    try:
        async with asyncio.timeout(settings.read_timeout_s):
            async for chunk in request.content.iter_any():
                packed += chunk
                if len(packed) > settings.max_body_bytes:
                    raise _too_large(settings)
    except TimeoutError:
        detail = f"the body took longer than {settings.read_timeout_s:g} s"
        raise BodyError(408, "slow", detail) from None
    encoding = request.headers.get("Content-Encoding", usual)
    return await asyncio.to_thread(plain, bytes(packed), encoding, settings.max_decoded_bytes)


def otlp_encoding(request: web.Request) -> Literal["proto", "json"]:
    """Raises BodyError for a content type that OTLP does not have."""
    match request.content_type:
        case "application/x-protobuf":
            return "proto"
        case "application/json":
            return "json"
        case other:
            detail = f"content-type must be application/x-protobuf or application/json, got {other}"
            raise BodyError(415, "content_type", detail)


def write_version(request: web.Request) -> Literal[1, 2]:
    """Of remote write; raises BodyError for messages that are none."""
    names = ("prometheus.WriteRequest", "io.prometheus.write.v2.Request")
    kind, _, more = request.headers.get("Content-Type", "").partition(";")
    proto = more.strip().removeprefix("proto=") or names[0]
    if kind.strip() != "application/x-protobuf" or proto not in names:
        detail = f"content-type must be application/x-protobuf;proto={' or '.join(names)}"
        raise BodyError(415, "content_type", detail)
    return 2 if proto == names[1] else 1


def _too_large(settings: ReceiveSettings) -> BodyError:
    return BodyError(413, "too_large", f"at most {settings.max_body_bytes} bytes are read")
