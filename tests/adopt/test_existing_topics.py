"""docs/adopt/existing-topics.md, typed, on a real Kafka."""

import asyncio
import json
from functools import partial
from pathlib import Path

import pytest

from streams.clock import system_clock
from streams.connection import new_producer
from tests.adopt.doors import topics_at, variables
from tests.adopt.page import Page, run
from tests.services.topics import new_topic

PAGE = Page("existing-topics")


@pytest.mark.kafka
async def test_the_page_shows_what_becomes_of_the_newest_messages(
    kafka_url: str, tmp_path: Path
) -> None:
    settings = await topics_at(kafka_url, "exactly_once")
    await new_topic(settings, "llm-requests")
    document = {"ts_ms": system_clock() // 1_000, "deployment": "codex", "latency_ms": 250}
    async with new_producer(settings) as producer:
        for each in (document, document | {"latency_ms": "soon"}):
            await producer.send_and_wait("llm-requests", json.dumps(each).encode())
    PAGE.lay(tmp_path)
    (typed,) = PAGE.commands()
    more = variables(settings, TIDEGATE_CONFIG="tidegate.yaml", COLUMNS="200")

    done = await asyncio.to_thread(partial(run, typed, tmp_path, timeout_s=60.0, **more))

    assert done.returncode == 1
    assert '"pool":"codex"' in done.stdout
    assert '"duration_s":0.25' in done.stdout
    assert "duration_s from `latency_ms` must be a number, got 'soon'" in done.stdout
    assert "2 messages of llm-requests, 2 read, 1 refused; nothing was written" in done.stdout
