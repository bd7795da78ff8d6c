"""docs/adopt/opentelemetry.md, typed."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from streams.batch import Message
from streams.codec import decode_record
from streams.schemas.telemetry import RequestEvent
from tests.adopt.doors import first, running, topics_at, variables
from tests.adopt.page import Page, run
from tests.services.base import free_port
from tidegate.settings import load_settings

PAGE = Page("opentelemetry")


@pytest.mark.broker
async def test_the_page_brings_a_call_in(broker_url: str, tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.proto.collector", reason="pip install tidegate[otlp]")
    settings, port = await topics_at(broker_url, "at_least_once"), free_port()
    receive, call = PAGE.commands()
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


def test_the_maps_of_the_page_are_settings(tmp_path: Path) -> None:
    PAGE.lay(tmp_path)

    found = load_settings({"TIDEGATE_CONFIG": str(tmp_path / "tidegate.yaml")}).stream.maps

    assert [(each.topic, each.format) for each in found] == [
        ("otlp_spans", "otlp_proto"),
        ("otlp_metrics", "otlp_proto"),
    ]


def _events(message: Message) -> list[RequestEvent]:
    return [decode_record(line, RequestEvent) for line in (message.value or b"").split(b"\n")]
