"""The middleware around Starlette and FastAPI, and under a server that loses its client."""

from collections.abc import AsyncIterator
from typing import Any

import fastapi
import httpx
import pytest
from starlette.responses import PlainTextResponse, StreamingResponse
from tidegate_client import TelemetryMiddleware
from tidegate_client.asgi import Message, Receive, Scope, Send

from tests.clients.telling import Told


@pytest.fixture
def told() -> Told:
    return Told()


def service(told: Told) -> fastapi.FastAPI:
    app = fastapi.FastAPI()
    app.add_middleware(
        TelemetryMiddleware, client=told.client, pool="chat", exclude={"/healthz"},
        route=lambda scope: scope["path"], tenant=lambda scope: scope["no such thing"],
    )  # fmt: skip

    @app.get("/stream")
    async def stream(request: fastapi.Request) -> StreamingResponse:
        async def words() -> AsyncIterator[bytes]:
            for word in (b"to", b"be"):
                request.scope["tidegate.request"].output_tokens += 1
                yield word

        return StreamingResponse(words())

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("no")

    @app.get("/{status}")
    async def answer(status: str) -> PlainTextResponse:
        return PlainTextResponse("", int(status) if status.isdigit() else 200)

    return app


async def ask(told: Told, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(service(told), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        return await client.get(path)


async def test_a_stream_has_first_token_tokens_and_route(told: Told) -> None:
    answer = await ask(told, "/stream")

    arrived, finished = told.events()
    assert answer.text == "tobe"
    assert (arrived["route"], arrived["tenant"]) == ("/stream", "")
    assert (finished["output_tokens"], finished["ttft_s"] is None) == (2, False)


@pytest.mark.parametrize(
    ("path", "kinds"),
    [
        pytest.param("/200", ["arrived", "finished 200"], id="fine"),
        pytest.param("/404", ["arrived", "rejected 404 invalid"], id="its-mistake"),
        pytest.param("/429", ["arrived", "rejected 429 rate_limited"], id="too-many"),
        pytest.param("/502", ["arrived", "finished 502 status"], id="our-fault"),
        pytest.param("/broken", ["arrived", "finished 500 RuntimeError"], id="an-exception"),
        pytest.param("/healthz", [], id="not-asked-for"),
    ],
)
async def test_the_answer_says_how_it_ended(told: Told, path: str, kinds: list[str]) -> None:
    await ask(told, path)
    assert told.kinds() == kinds


async def exchange(told: Told, app: Any, *, deaf: bool = False) -> None:
    """One request by hand; a ``deaf`` client has gone before the answer."""

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        if deaf:
            raise OSError("gone")

    middleware = TelemetryMiddleware(app, told.client, pool="chat")
    await middleware({"type": "http", "path": "/"}, receive, send)


async def test_a_client_that_disconnects_cancels(told: Told) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"to", "more_body": True})
        await receive()

    await exchange(told, app)
    assert told.kinds() == ["arrived", "cancelled 499"]


async def test_so_does_one_that_cannot_be_sent_to(told: Told) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})

    with pytest.raises(OSError, match="gone"):
        await exchange(told, app, deaf=True)
    assert told.kinds() == ["arrived", "cancelled 499"]


async def test_no_answer_is_a_failure_and_an_error_goes_on(told: Told) -> None:
    async def silent(scope: Scope, receive: Receive, send: Send) -> None: ...

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("no")

    await exchange(told, silent)
    with pytest.raises(RuntimeError):
        await exchange(told, broken)
    ends = [kind for kind in told.kinds() if kind != "arrived"]
    assert ends == ["finished 500 no_answer", "finished 500 RuntimeError"]


async def test_the_end_of_the_lifespan_flushes(told: Told) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await send({"type": "lifespan.shutdown.complete"})

    middleware = TelemetryMiddleware(app, told.client, pool="chat")
    sent = []

    async def send(message: Message) -> None:
        sent.append((message["type"], told.client.counters.sent))

    told.client.request(pool="chat")
    await middleware({"type": "lifespan"}, lambda: None, send)  # type: ignore[arg-type, return-value]
    assert sent == [("lifespan.shutdown.complete", 1)]
