"""Every way the gateway says no."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from model_backend.settings import KeySettings
from streams.schemas.telemetry import RequestEvent
from tests.model_backend.gateway_world import CHAT, KEYS, POOLS, STREAM, World

CHAT_PATH = "/v1/chat/completions"


async def test_errors_have_the_four_fields_that_clients_read() -> None:
    async with World() as world:
        answer = await world.ask(b"{")

        assert answer.content_type == "application/json"
        assert (await answer.json())["error"].keys() == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("body", "status", "code", "reason"),
    [
        pytest.param(b"{", 400, None, "invalid", id="no-json"),
        pytest.param({**CHAT, "messages": []}, 400, "invalid_value", "invalid", id="no-messages"),
        pytest.param(
            {**CHAT, "model": "gpt"}, 404, "model_not_found", "unknown_model", id="unknown-model"
        ),
        pytest.param(
            {**CHAT, "model": "sora"}, 404, "model_not_found", "unknown_model", id="a-job-model"
        ),
        pytest.param(b"x" * 2_000, 413, None, "too_large", id="too-large"),
    ],
)
async def test_bad_requests_are_rejected_and_told_with_their_tenant(
    body: object, status: int, code: str | None, reason: str
) -> None:
    async with World(max_body_bytes=1_024) as world:
        await world.add()
        answer = await world.ask(body)

        assert (answer.status, (await answer.json())["error"]["code"]) == (status, code)
        [told] = world.told("requests", RequestEvent)
        assert (told.kind, told.status, told.reason) == ("rejected", status, reason)
        assert (told.tenant, told.pool) == ("birch", "codex")


async def test_a_bad_request_is_told_of_at_the_pool_it_names() -> None:
    second = POOLS[0].model_copy(update={"name": "second", "service": "s", "model": "phi"})
    async with World(pools=(*POOLS, second)) as world:
        await world.ask({"model": "phi", "messages": "not a list"})
        await world.ask(b"{")

        pools = [(one.pool, one.model) for one in world.told("requests", RequestEvent)]
        assert pools == [("second", "phi"), ("", "")]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        pytest.param({}, None, id="no-key"),
        pytest.param({"Authorization": "Bearer nonsense"}, "invalid_api_key", id="a-wrong-key"),
    ],
)
@pytest.mark.parametrize("path", [CHAT_PATH, "/v1/videos"])
async def test_strangers_stay_outside(headers: dict[str, str], code: str | None, path: str) -> None:
    async with World() as world:
        answer = await world.client.post(path, json=CHAT, headers=headers)

        assert (answer.status, (await answer.json())["error"]["code"]) == (401, code)
        assert [one.reason for one in world.told("requests", RequestEvent)] == ["unauthenticated"]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/gemma", "/v1/videos", "/v1/videos/x"])
async def test_nothing_below_v1_is_shown_to_strangers(path: str) -> None:
    async with World() as world:
        assert (await world.client.get(path)).status == 401


async def test_without_keys_anybody_on_this_machine_is_anonymous() -> None:
    async with World(keys=(), allow_anonymous=True) as world:
        await world.add()
        await world.client.post(CHAT_PATH, json=CHAT)

        assert world.told("requests", RequestEvent, kind="arrived")[0].tenant == "anonymous"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", CHAT_PATH, 405),
        ("GET", "/v1/nonsense", 404),
        ("GET", "/v1/models/nonsense", 404),
        ("GET", "/v1/videos/nonsense", 404),
        ("GET", "/v1/videos?limit=0", 400),
    ],
)
async def test_wrong_addresses(method: str, path: str, status: int) -> None:
    async with World() as world:
        answer = await world.client.request(method, path, headers=KEYS["birch"])

        assert (answer.status, "error" in await answer.json()) == (status, True)


async def test_over_the_limit_is_429_with_the_time_to_wait() -> None:
    keys = (KeySettings(tenant="birch", key=SecretStr("key-of-birch"), requests_per_minute=1),)
    async with World(keys=keys) as world:
        await world.add()
        await world.ask()
        world.clock.advance(20)
        answer = await world.ask()

        assert (answer.status, answer.headers["Retry-After"]) == (429, "40")
        assert (await answer.json())["error"]["code"] == "rate_limit_exceeded"
        assert answer.headers["x-ratelimit-remaining-requests"] == "0"
        assert len(world.told("requests", RequestEvent, kind="arrived")) == 1


async def test_bad_requests_use_up_the_limit_too() -> None:
    keys = (KeySettings(tenant="birch", key=SecretStr("key-of-birch"), requests_per_minute=1),)
    async with World(keys=keys) as world:
        await world.ask(b"{")

        assert (await world.ask(b"{")).status == 429


async def test_too_many_in_flight_is_429_until_one_ends() -> None:
    keys = (KeySettings(tenant="birch", key=SecretStr("key-of-birch"), max_in_flight=1),)
    async with World(keys=keys) as world:
        replica = await world.add()
        replica.first.clear()
        under_way = world.begin()
        await replica.asked.wait()
        assert (await world.ask()).status == 429
        replica.first.set()
        await under_way

        assert (await world.ask()).status == 200


async def test_a_full_queue_is_503_and_still_counts_as_demand() -> None:
    async with World(max_queue=1) as world:
        waiting = world.begin()
        await world.hears("requests", RequestEvent, kind="arrived")
        answer = await world.ask()

        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
        assert (await answer.json())["error"]["code"] == "server_is_overloaded"
        assert len(world.told("requests", RequestEvent, kind="arrived")) == 2
        assert len(world.told("requests", RequestEvent, reason="queue_full")) == 1
        waiting.cancel()


async def test_who_waits_too_long_is_sent_away() -> None:
    async with World(queue_timeout_s=5) as world:
        waiting = world.begin()
        await world.hears("requests", RequestEvent, kind="arrived")
        world.tick(5)
        answer = await waiting

        assert answer.status == 503
        assert len(world.told("requests", RequestEvent, reason="queue_timeout")) == 1


@pytest.mark.parametrize(
    ("status", "error", "given", "message"),
    [
        pytest.param(
            400, {"error": {"message": "too long", "code": 400}}, 400, "too long", id="openai"
        ),
        pytest.param(400, {"object": "error", "message": "bad"}, 400, "bad", id="flat"),
        pytest.param(422, {"error": "worse"}, 422, "worse", id="a-text"),
        pytest.param(403, {"error": {"message": "who?"}}, 502, "status 403", id="not-our-client"),
        pytest.param(500, {"error": {"message": "secret"}}, 502, "status 500", id="its-own-fault"),
    ],
)
@pytest.mark.parametrize("body", [CHAT, STREAM])
async def test_errors_of_replicas_are_passed_on_in_our_form(
    body: object, status: int, error: dict[str, Any], given: int, message: str
) -> None:
    async with World() as world:
        replica = await world.add()
        replica.status, replica.error = status, error
        answer = await world.ask(body)

        found = (await answer.json())["error"]
        assert (answer.status, message in found["message"]) == (given, True)
        assert found["code"] in {None, "upstream_error"}


async def test_our_own_mistakes_are_answered_and_told_too() -> None:
    async with World() as world:
        await world.add()
        world.gateway.door.desks["codex"].take = None  # type: ignore[assignment,method-assign]
        answer = await world.ask()

        assert (answer.status, (await answer.json())["error"]["type"]) == (500, "server_error")
        end = await world.hears("requests", RequestEvent, kind="finished")
        assert (end.status, end.reason) == (500, "internal")


async def test_a_body_that_does_not_come_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("model_backend.gateway.door.BODY_TIMEOUT_S", 0.01)
    async with World() as world:
        never = asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield b"{"
            await never.wait()

        answer = await world.client.post(CHAT_PATH, data=body(), headers=KEYS["birch"])

        assert answer.status == 408
        never.set()


async def test_metrics_need_a_key_where_strangers_can_reach_them() -> None:
    async with World(host="0.0.0.0", tls_cert="cert.pem") as world:
        stranger = await world.client.get("/metrics")
        friend = await world.client.get("/metrics", headers=KEYS["birch"])

        assert (stranger.status, friend.status) == (401, 200)


async def test_a_body_that_unpacks_beyond_the_limit_is_too_large() -> None:
    async with World(max_body_bytes=1_024) as world:
        headers = {**KEYS["birch"], "Content-Encoding": "gzip"}
        packed = gzip.compress(b"x" * 100_000)
        answer = await world.client.post(CHAT_PATH, data=packed, headers=headers)

        assert (answer.status, len(packed) < 1_024) == (413, True)
