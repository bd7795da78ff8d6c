"""docs/adopt/opentelemetry.md, typed."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streams.batch import Message
from streams.clock import system_clock
from streams.codec import decode_record
from streams.connection import new_producer
from streams.reader import TopicReader
from streams.schemas.telemetry import EngineSample, RequestEvent
from streams.settings import StreamSettings
from tests.adopt.doors import first, running, topics_at, variables
from tests.adopt.page import Page, run
from tests.services.base import free_port
from tests.services.topics import new_topic
from tests.streams.receive.test_otlp_door import exported, total
from tidegate.settings import load_settings

if TYPE_CHECKING:
    import subprocess

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


class Totals:
    """A collector's exporter: totals since a start, ten tokens more each time."""

    def __init__(self, settings: StreamSettings, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        self.topic = f"{settings.topics.prefix}otlp_metrics"
        self.tokens = self.first = 1_234_567

    async def grow(self) -> None:
        async with new_producer(self.settings) as producer:
            while True:
                self.tokens += 10
                said = exported(total("vllm.generation_tokens", self.tokens, system_clock()))
                await producer.send_and_wait(self.topic, json.dumps(said).encode())
                await asyncio.sleep(0.2)

    @asynccontextmanager
    async def read(self) -> AsyncIterator["subprocess.Popen[bytes]"]:
        """By the door that the page opens."""
        port = free_port()
        receive, _, export = PAGE.commands()
        variable, _, value = export.removeprefix("export ").strip().partition("=")
        named = {variable: value.strip("'").replace("otlp_metrics", self.topic)}
        more = variables(self.settings, TIDEGATE_STREAM__RECEIVE__PORT=str(port), **named)
        async with running(receive, self.folder, port, **more) as process:
            yield process

    async def told(self, since_us: int = 0) -> EngineSample:
        """The first sample from then on with tokens in it."""

        def new(each: Message) -> bool:
            return _sample(each).output_tokens > 0 and _sample(each).at_us > since_us

        return _sample(await first(self.settings, "engine", new))


@pytest.fixture
async def totals(broker_url: str, tmp_path: Path) -> AsyncIterator[Totals]:
    pytest.importorskip("opentelemetry.proto.collector", reason="pip install tidegate[otlp]")
    found = Totals(await topics_at(broker_url, "at_least_once"), tmp_path)
    await new_topic(found.settings, found.topic)
    sending = asyncio.create_task(found.grow())
    yield found
    sending.cancel()
    await asyncio.wait({sending})


@pytest.mark.broker
async def test_totals_on_a_topic_come_in_by_the_door(totals: Totals) -> None:
    async with asyncio.timeout(40), totals.read():
        sample = await totals.told()

    assert (sample.pool, sample.replica) == ("codex", "codex-1")
    assert sample.output_tokens % 10 == 0, "what it showed at first is not new"


@pytest.mark.broker
async def test_the_next_copy_of_the_door_goes_on_and_tells_nothing_twice(totals: Totals) -> None:
    async with asyncio.timeout(60):
        async with totals.read() as process:
            await totals.told()
            process.kill()
        between_us = system_clock()
        async with totals.read():
            await totals.told(between_us)
        async with TopicReader(totals.settings, ["engine"]) as reader:
            samples = [_sample(each) for each in await reader.poll(5.0)]

    grown = sum(sample.output_tokens for sample in samples)
    assert 0 < grown < totals.tokens - totals.first


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
