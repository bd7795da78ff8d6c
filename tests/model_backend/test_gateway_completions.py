"""Completions through the whole gateway, streamed and not."""

import json
from typing import Any

import pytest

from streams.schemas.system import Usage
from streams.schemas.telemetry import RequestEvent
from tests.model_backend.gateway_world import CHAT, STREAM, World, event


async def test_an_answer_comes_through_whole() -> None:
    async with World() as world:
        await world.add()
        answer = await world.ask()

        assert (await answer.json())["choices"][0]["message"]["content"] == "Hello"


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


async def test_replicas_are_asked_for_the_usage_and_get_the_rest_as_it_came() -> None:
    async with World() as world:
        replica = await world.add()
        await (await world.ask({**STREAM, "top_k": 3, "model": "codex"})).read()

        [seen] = replica.bodies
        assert seen == {
            **STREAM,
            "top_k": 3,
            "model": "gemma",
            "stream_options": {"include_usage": True},
        }
