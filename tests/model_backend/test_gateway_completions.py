"""Completions through the whole gateway, streamed and not."""

import pytest

from streams.schemas.system import Usage
from streams.schemas.telemetry import RequestEvent
from tests.model_backend.gateway_world import CHAT, STREAM, World


async def test_an_answer_comes_through_whole() -> None:
    async with World() as world:
        await world.add()
        answer = await (await world.ask()).json()

        assert answer["choices"][0]["message"]["content"] == "Hello"


async def test_a_stream_comes_through_without_the_usage_nobody_asked_for() -> None:
    async with World() as world:
        await world.add()
        text = await (await world.ask(STREAM)).text()

        assert (text.count("data: "), text.endswith("data: [DONE]\n\n")) == (3, True)


async def test_a_stream_keeps_the_usage_its_client_asked_for() -> None:
    async with World() as world:
        await world.add()
        body = {**STREAM, "stream_options": {"include_usage": True}}
        text = await (await world.ask(body)).text()

        assert '"completion_tokens": 2' in text


async def test_text_completions_have_a_route_of_their_own() -> None:
    async with World() as world:
        replica = await world.add()
        body = {"model": "gemma", "prompt": "Once"}
        answer = await world.ask(body, path="/v1/completions")

        assert (answer.status, replica.bodies) == (200, [body])


async def test_replicas_get_what_was_asked_and_must_report_their_usage() -> None:
    async with World() as world:
        replica = await world.add()
        await (await world.ask({**STREAM, "top_k": 3, "model": "codex"})).read()

        [seen] = replica.bodies
        assert seen == {**STREAM, "top_k": 3, "stream_options": {"include_usage": True}}


@pytest.mark.parametrize("body", [CHAT, STREAM])
async def test_events_tell_a_request_from_arrival_to_end(body: object) -> None:
    async with World() as world:
        await world.add()
        answer = await world.ask(body)
        await answer.read()
        end = await world.hears("requests", RequestEvent, kind="finished")

        [arrived] = world.told("requests", RequestEvent, kind="arrived")
        assert (arrived.pool, arrived.tenant, arrived.model) == ("codex", "birch", "gemma")
        assert (end.status, end.replica, end.output_tokens) == (200, "codex-1", 2)
        assert end.request_id == arrived.request_id == answer.headers["x-request-id"]


async def test_the_time_to_the_first_byte_and_between_tokens_is_measured() -> None:
    async with World() as world:
        replica = await world.add()
        replica.first.clear()
        replica.middle.clear()
        under_way = world.begin(STREAM)
        await replica.asked.wait()
        world.clock.advance(2)
        replica.first.set()
        answer = await under_way
        world.clock.advance(1)
        replica.middle.set()
        await answer.read()

        end = await world.hears("requests", RequestEvent, kind="finished")
        assert (end.queue_s, end.ttft_s, end.inter_token_s, end.duration_s) == (0, 2, 1, 3)


async def test_usage_is_told_with_what_the_engine_counted() -> None:
    async with World() as world:
        await world.add()
        await (await world.ask(STREAM)).read()

        used = await world.hears("usage", Usage)
        assert (used.account, used.service, used.prompt_tokens, used.output_tokens) == (
            "birch",
            "codex",
            7,
            2,
        )


async def test_a_client_that_tries_again_is_no_new_demand() -> None:
    async with World() as world:
        await world.add()
        headers = {"Authorization": "Bearer key-of-birch", "x-stainless-retry-count": "2"}
        await world.client.post("/v1/chat/completions", json=CHAT, headers=headers)

        assert [one.attempt for one in world.told("requests", RequestEvent, kind="arrived")] == [2]


async def test_every_answer_has_an_id_and_what_is_left_of_the_limit() -> None:
    async with World() as world:
        await world.add()
        headers = (await world.ask()).headers

        assert headers["x-request-id"].startswith("req_")
        assert headers["x-ratelimit-limit-requests"] == "60"
        assert headers["x-ratelimit-remaining-requests"] == "59"
        assert headers["x-ratelimit-reset-requests"] == "1s"


async def test_models_are_listed_and_shown() -> None:
    async with World() as world:
        key = {"Authorization": "Bearer key-of-birch"}
        listed = await (await world.client.get("/v1/models", headers=key)).json()
        shown = await (await world.client.get("/v1/models/gemma", headers=key)).json()

        assert [one["id"] for one in listed["data"]] == ["gemma", "sora-stand-in"]
        assert (shown["object"], shown["owned_by"]) == ("model", "codex")


async def test_health_and_metrics_need_no_key_on_loopback() -> None:
    async with World() as world:
        await world.add()
        await world.ask()
        health = await (await world.client.get("/health")).json()
        metrics = await (await world.client.get("/metrics")).text()

        assert health == {"status": "ok"}
        assert (
            'tidegate_gateway_requests_total{end="finished",pool="codex",route="chat",status="200"}'
            in metrics
        )
        assert 'tidegate_gateway_in_flight{pool="codex",replica="codex-1"} 0.0' in metrics


async def test_gauges_and_replica_samples_are_told_once_a_second() -> None:
    async with World() as world:
        replica = await world.add()
        replica.first.clear()
        under_way = [world.begin() for _ in range(3)]
        await world.count("requests", RequestEvent, 3, kind="arrived")
        world.tick()
        world.tick(0.5)

        [gauge] = world.told("requests", RequestEvent, kind="gauge", pool="codex")
        assert (gauge.queued, gauge.in_flight) == (1, 2)
        replica.first.set()
        for one in under_way:
            await one
