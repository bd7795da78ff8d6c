"""A topic of somebody else's through INGEST on a real Kafka, whose worker is killed in between."""

import asyncio
import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from streams.admin import Admin, create_topics
from streams.batch import Message
from streams.clock import SECOND_US, system_clock
from streams.codec import decode_block, decode_record
from streams.connection import new_producer
from streams.maps.settings import MapSettings
from streams.reader import TopicReader
from streams.schemas.system import DeadLetter
from streams.settings import StreamSettings
from streams.windows.blocks import decode_table
from tests.services.topics import new_topic
from tests.streams.toys import new_prefix, toy_settings
from tidegate.settings import Settings
from tidegate.settings_file import write_settings
from tidegate.try_map import run

pytestmark = pytest.mark.kafka

ROUNDS = 6
EACH = 50


@pytest.fixture
async def settings(kafka_url: str) -> StreamSettings:
    settings = toy_settings(kafka_url, new_prefix(), "exactly_once")
    topic = f"llm-{settings.topics.prefix}requests"
    fields = {"at": "ts|us", "event": "=arrived", "pool": "deployment"}
    mapped = MapSettings(topic=topic, fields=fields, lateness_s=60)
    settings = settings.model_copy(update={"maps": (mapped,)})
    await create_topics(settings)
    await new_topic(settings, topic, partitions=3)
    return settings


def document(**but: object) -> bytes:
    return json.dumps({"ts": system_clock(), "deployment": "codex"} | but).encode()


class Worker:
    """INGEST as a process that can be killed."""

    def __init__(self, settings: StreamSettings, folder: Path) -> None:
        path = folder / "settings.json"
        write_settings(Settings(stream=settings), path)
        argv = [sys.executable, "-m", "tidegate", "worker", "--stages", "ingest"]
        self.process = subprocess.Popen(argv, env={**os.environ, "TIDEGATE_CONFIG": str(path)})

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


class Seen:
    def __init__(self) -> None:
        self.arrived = 0
        self.sources: set[int] = set()
        self.letters: list[DeadLetter] = []

    def take(self, message: Message) -> None:
        if message.topic == "dead-letters":
            self.letters.append(decode_record(message.value or b"", DeadLetter))
            return
        block = decode_block(message.value or b"")
        if block.header.source.startswith("/"):
            self.sources.add(block.header.partition)
            table = decode_table(block)
            self.arrived += int(table.ints["arrived"].sum()) if len(table) else 0


async def send(settings: StreamSettings, *values: bytes) -> None:
    async with new_producer(settings) as producer:
        for number, value in enumerate(values):
            await producer.send_and_wait(settings.maps[0].topic, value, partition=number % 3)


async def until(reader: TopicReader, seen: Seen, arrived: int) -> None:
    while seen.arrived < arrived or len(seen.sources) < 3:
        for message in await reader.poll(0.5):
            seen.take(message)


async def test_a_kill_neither_loses_nor_doubles_what_a_mapped_topic_holds(
    settings: StreamSettings, tmp_path: Path
) -> None:
    await send(settings, *[document()] * 3)  # Before the map began: not ours to read.
    seen, worker = Seen(), Worker(settings, tmp_path)
    try:
        async with (
            asyncio.timeout(60),
            TopicReader(settings, ["partials", "dead-letters"]) as reader,
        ):
            await until(reader, seen, 0)
            for number in range(ROUNDS):
                await send(settings, *[document()] * EACH, *[b"moon"] * (number == 0))
                if number == 2:
                    worker.kill()
                    worker = Worker(settings, tmp_path)
            await until(reader, seen, ROUNDS * EACH)
            for message in await reader.poll(1.5):
                seen.take(message)
    finally:
        worker.kill()

    assert seen.arrived == ROUNDS * EACH
    assert [(one.topic, one.reason) for one in seen.letters] == [
        (f"/{settings.maps[0].topic}", "not_json")
    ]


async def test_try_map_shows_the_newest_and_commits_nothing(settings: StreamSettings) -> None:
    old = document(ts=system_clock() - 3_600 * SECOND_US)
    await send(settings, document(), document(deployment=None), b"moon", old)
    console = Console(record=True, width=200, file=StringIO())

    code = await run(settings.maps[0].topic, settings, console)

    text = console.export_text()
    assert code == 1, text
    assert "missing_field: pool: nothing at `deployment`" in text
    assert "not_json" in text
    assert "late: 3600.0 s old" in text
    assert '"kind":"arrived"' in text
    assert "4 messages" in text
    async with Admin(settings) as admin:
        groups = {name for name, *_ in await admin.list_consumer_groups()}
    assert not any(settings.topics.prefix.rstrip(".") in name for name in groups)
