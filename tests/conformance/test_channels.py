"""What every channel keeps, against a real server that answers well, badly, late or too much."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

import detectors.alerts.channels as family
from detectors.alerts.channels import CHANNELS
from detectors.alerts.channels.base import Channel
from detectors.settings import ChannelSettings
from streams.errors import InvalidParameterError
from streams.schemas.incidents import Alert

NOW_US = 1_767_225_600_000_000
SECRET = SecretStr("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")
ALERT = Alert(
    id="ALT-1",
    incident="INC-1",
    channel="pager",
    status="firing",
    delivery="pending",
    at_us=NOW_US,
    severity="warning",
    title="codex-2 is frozen",
)


class Receiver:
    """A server with a bad day of choice."""

    def __init__(self) -> None:
        self.mood = "well"
        self.bodies: list[bytes] = []
        self.paths: list[str] = []
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self._answer)
        self.server = TestServer(app)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.read())
        self.paths.append(request.path)
        match self.mood:
            case "hang":
                await asyncio.sleep(60)
            case "redirect":
                raise web.HTTPFound("/elsewhere")
            case "busy":
                return web.Response(status=503, headers={"Retry-After": "17"})
            case "busy until":
                headers = {"Retry-After": "Thu, 01 Jan 2026 00:00:30 GMT"}
                return web.Response(status=429, headers=headers)
            case "busy, oddly":
                return web.Response(status=429, headers={"Retry-After": "soon"})
            case "chatty":
                response = web.StreamResponse()
                await response.prepare(request)
                for _ in range(10_000):
                    await response.write(b"x" * 10_000)
                return response
            case str(status) if status.isdigit():
                return web.Response(status=int(status), text="no\r\nX-Log: forged")
        return web.Response()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.server.start_server()
    yield receiver
    await receiver.server.close()


def settings(kind: str, url: str, **but: Any) -> ChannelSettings:
    usual = {"kind": kind, "name": "pager", "url": url, "secret": SECRET, "allow_private": True}
    return ChannelSettings(**(usual | but))


@pytest.fixture(params=CHANNELS)
async def channel(request: pytest.FixtureRequest, receiver: Receiver) -> AsyncIterator[Channel]:
    url = str(receiver.server.make_url("/"))
    channel = CHANNELS[request.param](settings(request.param, url, timeout_s=0.5))
    yield channel
    await channel.close()


def test_the_table_names_every_file_of_the_folder() -> None:
    folder = Path(str(family.__file__)).parent
    assert set(CHANNELS) == {p.stem for p in folder.glob("*.py")} - {"__init__", "base"}
    assert list(CHANNELS) == sorted(CHANNELS)


def test_settings_know_every_channel() -> None:
    kinds = ChannelSettings.model_json_schema()["properties"]["kind"]["enum"]
    assert sorted(kinds) == sorted(CHANNELS)


async def test_an_alert_arrives(channel: Channel, receiver: Receiver) -> None:
    assert (await channel.deliver(ALERT, now_us=NOW_US)).ok
    assert b"codex-2 is frozen" in receiver.bodies[0]


@pytest.mark.parametrize(
    ("mood", "detail"),
    [
        ("500", "HTTP 500: no  X-Log: forged"),
        ("404", "HTTP 404: no  X-Log: forged"),
        ("hang", "no answer within 0.5 s"),
        ("redirect", "HTTP 302: 302: Found"),
    ],
)
async def test_a_failure_is_told_and_may_be_tried_again(
    channel: Channel, receiver: Receiver, mood: str, detail: str
) -> None:
    receiver.mood = mood
    delivery = await channel.deliver(ALERT, now_us=NOW_US)
    assert (delivery.ok, delivery.final, delivery.detail) == (False, False, detail)


async def test_a_redirect_is_not_followed(channel: Channel, receiver: Receiver) -> None:
    receiver.mood = "redirect"
    await channel.deliver(ALERT, now_us=NOW_US)
    assert len(receiver.paths) == 1


async def test_what_is_gone_is_gone(channel: Channel, receiver: Receiver) -> None:
    receiver.mood = "410"
    delivery = await channel.deliver(ALERT, now_us=NOW_US)
    assert (delivery.gone, delivery.final) == (True, True)


async def test_a_huge_answer_is_cut_off(channel: Channel, receiver: Receiver) -> None:
    receiver.mood = "chatty"
    assert (await channel.deliver(ALERT, now_us=NOW_US)).ok


@pytest.mark.parametrize(
    ("mood", "seconds"), [("busy", 17.0), ("busy until", 30.0), ("busy, oddly", None)]
)
async def test_a_wish_to_be_left_alone_is_passed_on(
    channel: Channel, receiver: Receiver, mood: str, seconds: float | None
) -> None:
    receiver.mood = mood
    assert (await channel.deliver(ALERT, now_us=NOW_US)).retry_after_s == seconds


async def test_nobody_there_is_a_failure_that_shows_no_path(receiver: Receiver) -> None:
    url = receiver.server.make_url("/secret-path")
    await receiver.server.close()
    for kind, make in CHANNELS.items():
        channel = make(settings(kind, str(url)))
        delivery = await channel.deliver(ALERT, now_us=NOW_US)
        await channel.close()
        assert "cannot connect" in delivery.detail
        assert "secret-path" not in delivery.detail


@pytest.mark.parametrize("kind", CHANNELS)
async def test_a_private_address_is_refused_at_start(kind: str) -> None:
    with pytest.raises(InvalidParameterError, match="a public address"):
        CHANNELS[kind](settings(kind, "http://10.0.0.8/hook", allow_private=False))


@pytest.mark.parametrize("kind", CHANNELS)
async def test_a_name_of_a_private_address_is_refused_when_it_is_called(
    kind: str, receiver: Receiver
) -> None:
    url = f"http://localhost:{receiver.server.port}/hook"
    channel = CHANNELS[kind](settings(kind, url, allow_private=False))
    delivery = await channel.deliver(ALERT, now_us=NOW_US)
    await channel.close()
    assert not delivery.ok
    assert receiver.bodies == []


async def test_alertmanager_is_called_at_its_path_whichever_way_it_is_given(
    receiver: Receiver,
) -> None:
    for path in ("", "/", "/api/v2/alerts", "/prefix"):
        url = str(receiver.server.make_url("/")).rstrip("/") + path
        channel = CHANNELS["alertmanager"](settings("alertmanager", url))
        await channel.deliver(ALERT, now_us=NOW_US)
        await channel.close()
    assert receiver.paths == ["/api/v2/alerts"] * 3 + ["/prefix/api/v2/alerts"]


async def test_alertmanager_is_not_asked_twice_to_take_what_it_calls_invalid(
    receiver: Receiver,
) -> None:
    receiver.mood = "400"
    channel = CHANNELS["alertmanager"](settings("alertmanager", str(receiver.server.make_url("/"))))
    delivery = await channel.deliver(ALERT, now_us=NOW_US)
    await channel.close()
    assert delivery.final
