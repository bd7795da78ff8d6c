"""Who may come in, with how much: an ASGI wrapper round the whole app, sockets included."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from autoscaler.api.problems import problem
from autoscaler.settings import ApiSettings
from streams.loopback import LOOPBACK

MAX_BODY_BYTES: Final = 64 * 1024
SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
API_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
CHALLENGE: Final = 'Bearer realm="tidegate", Basic realm="tidegate", charset="UTF-8"'


class Door:
    """Lets a request or socket in, or answers it with a problem.

    With a token set, everything needs it: as Bearer, or as the password of Basic (what browsers can
    do). Without one, only loopback is served, and only under a loopback name: a web page elsewhere
    that makes its own name point here is turned away, as is one that comes with a foreign origin.
    """

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._app = app
        self._token = settings.token.get_secret_value().encode()
        self._names = LOOPBACK | {settings.host}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(Headers(scope=scope), scope)
        if scope["type"] == "websocket":
            if refusal is None:
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008})
            return
        sending = _with_headers(send, scope["path"])
        if refusal is not None:
            await refusal(scope, receive, sending)
            return
        await self._app(scope, _limited(receive), sending)

    def _refusal(self, headers: Headers, scope: Scope) -> Response | None:
        """None for a welcome guest."""
        if self._token:
            if not self._has_token(headers.get("authorization", "")):
                return problem(
                    HTTPStatus.UNAUTHORIZED, "a valid token is needed", www_authenticate=CHALLENGE
                )
        elif (why := self._not_local(headers, scope)) is not None:
            return problem(HTTPStatus.FORBIDDEN, why)
        if not _same_origin(headers):
            return problem(HTTPStatus.FORBIDDEN, "requests of other sites are refused")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            return problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MAX_BODY_BYTES} bytes are read"
            )
        return None

    def _has_token(self, authorization: str) -> bool:
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() == "basic":
            given = _password(given)
        elif scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(given.strip().encode(), self._token)

    def _not_local(self, headers: Headers, scope: Scope) -> str | None:
        name = _host_name(headers.get("host", ""))
        if name not in self._names:
            return f"host {name[:100]!r} is not served without api.token"
        client = scope.get("client")
        if client is not None and client[0] not in LOOPBACK:
            return "without api.token only this machine is served"
        return None


def _host_name(host: str) -> str:
    """Without the port and the brackets of IPv6."""
    return urlsplit(f"//{host}").hostname or ""


def _same_origin(headers: Headers) -> bool:
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host", "")


def _password(credentials: str) -> str:
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return decoded.partition(":")[2]


def _limited(receive: Receive) -> Receive:
    """A body that tells no length is cut off as well."""
    taken = 0

    async def counting() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MAX_BODY_BYTES:
            # Of Starlette's kind: FastAPI makes any other error of a body a 400.
            raise HTTPException(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MAX_BODY_BYTES} bytes are read"
            )
        return message

    return counting


def _with_headers(send: Send, path: str) -> Send:
    more = dict(SECURITY_HEADERS)
    if path.startswith("/v1/") or path == "/openapi.json":
        more |= API_HEADERS

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in more.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
