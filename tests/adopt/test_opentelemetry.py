"""docs/adopt/opentelemetry.md, typed."""

import asyncio
import json
from functools import partial
from pathlib import Path

import pytest

from streams.batch import Message
from streams.clock import system_clock
from streams.codec import decode_record
from streams.connection import new_producer
from streams.schemas.telemetry import EngineSample, RequestEvent
from streams.settings import StreamSettings
from tests.adopt.doors import first, running, topics_at, variables
from tests.adopt.page import Page, run
from tests.services.base import free_port
from tests.services.topics import new_topic
from tests.streams.receive.test_otlp_door import exported, total
from tidegate.settings import load_settings

PAGE = Page("opentelemetry")


@pytest.mark.broker
async def test_the_page_brings_a_call_in(broker_url: str, tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.proto.collector", reason="pip install tidegate[otlp]")
    settings, port = await topics_at(broker_url, "at_least_once"), free_port()
    receive, call, _ = PAGE.commands()
    PAGE.lay(tmp_path)
    more = variables(settings, TIDEGATE_STREAM__RECEIVE__PORT=str(port))

    async with asyncio.timeout(40), running(receive, tmp_path, port, **more):
        typed = call.replace(":4318", f":{port}")
        done = await asyncio.to_thread(partial(run, typed, tmp_path, timeout_s=60.0, **more))
        assert (done.stdout, done.stderr) == ("{}", "")
        message = await first(settings, "requests", lambda _: True)

    arrived, finished = _events(message)
    assert (arrived.kind, arrived.pool, arrived.prompt_tokens) == ("arrived", "codex", 120)
    assert (finished.kind, finished.output_tokens, finished.duration_s) == ("finished", 40, 3.0)


@pytest.mark.broker
async def test_totals_on_a_topic_come_in_by_the_door(broker_url: str, tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.proto.collector", reason="pip install tidegate[otlp]")
    settings, port = await topics_at(broker_url, "at_least_once"), free_port()
    receive, _, export = PAGE.commands()
    topic = f"{settings.topics.prefix}otlp_metrics"
    await new_topic(settings, topic)
    variable, _, value = export.removeprefix("export ").strip().partition("=")
    more = variables(
        settings,
        TIDEGATE_STREAM__RECEIVE__PORT=str(port),
        **{variable: value.strip("'").replace("otlp_metrics", topic)},
    )

    async with asyncio.timeout(40), running(receive, tmp_path, port, **more):
        sending = asyncio.create_task(_grow(settings, topic))
        message = await first(settings, "engine", lambda each: _sample(each).output_tokens > 0)
        sending.cancel()
        await asyncio.wait({sending})

    assert (_sample(message).pool, _sample(message).replica) == ("codex", "codex-1")
    assert _sample(message).output_tokens % 10 == 0, "what it showed at first is not new"


async def _grow(settings: StreamSettings, topic: str) -> None:
    """A collector's exporter: totals since a start, ten tokens more each time."""
    async with new_producer(settings) as producer:
        tokens = 1_234_567
        while True:
            tokens += 10
            said = exported(total("vllm.generation_tokens", tokens, system_clock()))
            await producer.send_and_wait(topic, json.dumps(said).encode())
            await asyncio.sleep(0.2)


def _sample(message: Message) -> EngineSample:
    return decode_record(message.value or b"", EngineSample)


def test_the_maps_of_the_page_are_settings(tmp_path: Path) -> None:
    PAGE.lay(tmp_path)

    found = load_settings({"TIDEGATE_CONFIG": str(tmp_path / "tidegate.yaml")}).stream.maps

    assert [(each.topic, each.format) for each in found] == [
        ("otlp_spans", "otlp_proto"),
        ("otlp_metrics", "otlp_proto"),
    ]


def _events(message: Message) -> list[RequestEvent]:
    return [decode_record(line, RequestEvent) for line in (message.value or b"").split(b"\n")]
