"""Mapped topics on a real Kafka whose schema registry is away, or that are not there at all."""

import asyncio
from io import BytesIO
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from streams.admin import create_topics
from streams.app import create_app
from streams.batch import Message
from streams.clock import system_clock
from streams.codec import decode_block, encode_record
from streams.connection import new_producer
from streams.ingest import attach
from streams.maps.settings import MapSettings, RegistrySettings
from streams.reader import TopicReader
from streams.settings import StreamSettings
from streams.windows.blocks import decode_table
from tests.services.topics import new_topic
from tests.streams.samples import request
from tests.streams.toys import new_prefix, running, toy_settings

pytestmark = pytest.mark.kafka

SCHEMA = {"type": "record", "name": "R", "fields": [{"name": "ts", "type": "long"}]}


async def mapped(kafka_url: str, **but: Any) -> StreamSettings:
    """Our topics are there; that of others is not yet."""
    settings = toy_settings(kafka_url, new_prefix(), "exactly_once")
    await create_topics(settings)
    fields = {"at": "ts|us", "event": "=arrived", "pool": "=codex"}
    one = MapSettings.model_validate(
        {"topic": f"llm-{settings.topics.prefix}r", "fields": fields, "lateness_s": 60} | but
    )
    return settings.model_copy(update={"maps": (one,)})


def arrived(message: Message, source: str) -> int:
    block = decode_block(message.value or b"")
    if block.header.source != source:
        return 0
    table = decode_table(block)
    return int(table.ints["arrived"].sum()) if len(table) else 0


async def until_arrived(reader: TopicReader, source: str, count: int) -> None:
    found = 0
    while found < count:
        found += sum(arrived(message, source) for message in await reader.poll(0.5))
    assert found == count


async def test_while_the_registry_is_away_its_topic_waits_and_the_others_go_on(
    kafka_url: str,
) -> None:
    fastavro = pytest.importorskip("fastavro", reason="pip install tidegate[avro]")
    up = asyncio.Event()
    asked = asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        asked.set()
        schema = {"schema": msgspec.json.encode(SCHEMA).decode()}
        return web.json_response(schema if up.is_set() else {}, status=200 if up.is_set() else 503)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    settings = await mapped(kafka_url, format="avro")
    topic = settings.maps[0].topic
    await new_topic(settings, topic)
    async with asyncio.timeout(60), TestServer(app) as server:
        registry = RegistrySettings(url=str(server.make_url("/")))
        settings = settings.model_copy(update={"registry": registry})
        ingest = create_app("ingest", settings)
        attach(ingest, settings)
        async with running(ingest), TopicReader(settings, ["partials"]) as reader:
            await _until_heard(reader, f"/{topic}")
            async with new_producer(settings) as producer:
                for _ in range(3):
                    await producer.send_and_wait(topic, _avro(fastavro))
                await asked.wait()
                ours = encode_record(request(at_us=system_clock()))
                await producer.send_and_wait(f"{settings.topics.prefix}requests", ours)
            await until_arrived(reader, "requests", 1)
            up.set()
            await until_arrived(reader, f"/{topic}", 3)


def _avro(fastavro: Any) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, SCHEMA, {"ts": system_clock()})
    return b"\x00\x00\x00\x00\x01" + out.getvalue()


async def _until_heard(reader: TopicReader, source: str) -> None:
    heard: set[str] = set()
    while source not in heard:
        for message in await reader.poll(0.5):
            heard.add(decode_block(message.value or b"").header.source)


async def test_a_topic_that_is_not_there_keeps_no_other_from_being_read(kafka_url: str) -> None:
    settings = await mapped(kafka_url)
    ingest = create_app("ingest", settings)
    attach(ingest, settings)
    async with asyncio.timeout(60), running(ingest), TopicReader(settings, ["partials"]) as reader:
        async with new_producer(settings) as producer:
            ours = encode_record(request(at_us=system_clock()))
            await producer.send_and_wait(f"{settings.topics.prefix}requests", ours)
        await until_arrived(reader, "requests", 1)
