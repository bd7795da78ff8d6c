"""ASGI middleware: each HTTP request arrives, gets its first token and ends, seen from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, MutableMapping
from typing import Any, Callable

from tidegate_client.client import Client
from tidegate_client.request import REQUEST_KEY, Label, LabelsOf, Request

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class TelemetryMiddleware:
    """Tells of every HTTP request but those to ``exclude``d paths.

    Labels are words or functions of the scope. The first chunk of the body is the first token. A
    status of 500 and above is a failure, 400 and above a refusal, a client that leaves before the
    end cancels. A handler finds the request in ``scope["tidegate.request"]``, to set its tokens.
    What waits is flushed at the end of the lifespan.
    """

    def __init__(  # noqa: PLR0913  one a label
        self,
        app: App,
        client: Client,
        *,
        pool: Label,
        model: Label = "",
        route: Label = "",
        tenant: Label = "",
        exclude: Collection[str] = (),
    ) -> None:
        self._app = app
        self._client = client
        self._labels = LabelsOf(pool, model, route, tenant)
        self._exclude = frozenset(exclude)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._flushing(send))
        elif scope["type"] != "http" or scope.get("path") in self._exclude:
            await self._app(scope, receive, send)
        else:
            request = self._client.told(self._labels, scope)
            await _Exchange(request).run(self._app, scope, receive, send)

    def _flushing(self, send: Send) -> Send:
        async def flush_then_send(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                await asyncio.get_running_loop().run_in_executor(None, self._client.flush, 2.0)
            await send(message)

        return flush_then_send


class _Exchange:
    """One request and its response, as its messages pass by."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._status = 0
        self._left = False

    async def run(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        async def receiving() -> Message:
            message = await receive()
            self._left = self._left or message["type"] == "http.disconnect"
            return message

        async def sending(message: Message) -> None:
            try:
                await send(message)
            except OSError:  # how a server says that nobody is there
                self._left = True
                raise
            self._sent(message)

        scope[REQUEST_KEY] = self._request
        try:
            await app(scope, receiving, sending)
        except BaseException as exc:
            self._end(exc)
            raise
        self._end(None)

    def _sent(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
        elif message["type"] == "http.response.body":
            if message.get("body"):
                self._request.first_token()
            if not message.get("more_body"):
                self._answered()

    def _answered(self) -> None:
        if self._status >= 500:
            self._request.failed(self._status, "status")
        elif self._status >= 400:
            reason = "rate_limited" if self._status == 429 else "invalid"
            self._request.rejected(self._status, reason)
        else:
            self._request.finished(status=self._status)

    def _end(self, error: BaseException | None) -> None:
        """Says something only if the response is not complete."""
        if self._left:
            self._request.cancelled()
        elif error is not None:
            self._request.raised(error)
        else:
            self._request.failed(500, "no_answer")
