"""Who may come in: a door before an app that welcomes everyone."""

import base64
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from autoscaler.api.auth import Door
from autoscaler.settings import ApiSettings

TOKEN = "tg-0123456789"


async def welcome(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        await PlainTextResponse("welcome")(scope, receive, send)


async def nothing(*_: object) -> Any:
    return {"type": "http.request", "body": b""}


def door(token: str = "") -> Door:
    return Door(welcome, ApiSettings(token=SecretStr(token)))


def client_of(app: Door, client: str = "127.0.0.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(client, 1234))
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8088")


async def status_of(app: Door, headers: dict[str, Any], client: str = "127.0.0.1") -> int:
    async with client_of(app, client) as guest:
        return (await guest.get("/v1/pools", headers=headers)).status_code


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 401, id="none"),
        pytest.param({"Authorization": "Bearer wrong"}, 401, id="wrong"),
        pytest.param({"Authorization": f"Bearer {TOKEN}x"}, 401, id="too-long"),
        pytest.param({"Authorization": "Bearer ключ".encode()}, 401, id="not-ascii"),
        pytest.param({"Authorization": "Basic !!"}, 401, id="no-base64"),
        pytest.param({"Authorization": f"Digest {TOKEN}"}, 401, id="another-scheme"),
        pytest.param({"Authorization": f"Bearer {TOKEN}"}, 200, id="bearer"),
        pytest.param({"Authorization": f"bearer {TOKEN}"}, 200, id="schemes-have-no-case"),
        pytest.param(
            {"Authorization": "Basic " + base64.b64encode(f"ann:{TOKEN}".encode()).decode()},
            200,
            id="as-the-password-of-a-browser",
        ),
        pytest.param(
            {"Authorization": f"Bearer {TOKEN}", "Host": "tidegate.example"}, 200, id="any-name"
        ),
        pytest.param(
            {"Authorization": f"Bearer {TOKEN}", "Origin": "https://evil.example"},
            403,
            id="from-another-site",
        ),
    ],
)
async def test_a_token_opens_the_door(headers: dict[str, Any], status: int) -> None:
    assert await status_of(door(TOKEN), headers) == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 200, id="this-machine"),
        pytest.param({"Host": "localhost:8088"}, 200, id="by-name"),
        pytest.param({"Host": "[::1]:8088"}, 200, id="ipv6"),
        pytest.param({"Host": "evil.example:8088"}, 403, id="a-name-that-was-made-to-point-here"),
        pytest.param({"Host": "localhost.evil.example"}, 403, id="a-name-that-looks-alike"),
        pytest.param({"Host": ""}, 403, id="no-name"),
        pytest.param({"Origin": "http://127.0.0.1:8088"}, 200, id="our-own-page"),
        pytest.param({"Origin": "http://localhost:3000"}, 403, id="another-page-of-this-machine"),
        pytest.param({"Origin": "null"}, 403, id="a-sandbox"),
    ],
)
async def test_without_a_token_only_this_machine_is_served(
    headers: dict[str, str], status: int
) -> None:
    assert await status_of(door(), headers) == status


async def test_without_a_token_other_machines_are_turned_away() -> None:
    assert await status_of(door(), {}, client="10.0.0.9") == 403


@pytest.mark.parametrize("length", ["65537", "9" * 30, "-1", "x"])
async def test_bodies_that_are_too_long_or_lie_are_refused(length: str) -> None:
    assert await status_of(door(), {"Content-Length": length}) == 413


@pytest.mark.parametrize(
    ("headers", "messages"),
    [
        pytest.param({"host": "127.0.0.1"}, ["websocket.accept"], id="our-own"),
        pytest.param(
            {"host": "127.0.0.1", "origin": "https://evil.example"},
            ["websocket.close"],
            id="of-another-site",
        ),
    ],
)
async def test_sockets_pass_the_same_door(headers: dict[str, str], messages: list[str]) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": "/live",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
    }
    await door()(scope, nothing, send)

    assert [message["type"] for message in sent] == messages


async def test_the_start_and_end_of_the_server_pass() -> None:
    seen: list[str] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    await Door(inner, ApiSettings())({"type": "lifespan"}, nothing, nothing)

    assert seen == ["lifespan"]


@pytest.mark.parametrize(("path", "strict"), [("/v1/pools", True), ("/", False)])
async def test_only_data_forbids_all_content(path: str, *, strict: bool) -> None:
    async with client_of(door()) as client:
        headers = (await client.get(path)).headers

    assert ("content-security-policy" in headers) == strict
    assert headers["x-frame-options"] == "DENY"
