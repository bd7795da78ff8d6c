"""docs/adopt/edge.md: an engine at a site, set up as the page says, and what arrives at Kafka."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from streams.admin import create_topics
from streams.batch import Message
from streams.codec import decode_block, decode_record
from streams.reader import TopicReader
from streams.schemas.system import Quality
from streams.settings import StreamSettings
from tests.adopt.page import Page, typed
from tests.services.base import free_port
from tests.streams import engine_pages
from tests.streams.toys import new_prefix, toy_settings

pytestmark = pytest.mark.kafka

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def engine() -> AsyncIterator[int]:
    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=engine_pages.old_vllm(1), content_type="text/plain")

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    server = TestServer(app)
    await server.start_server()
    yield server.port or 0
    await server.close()


async def arrived(settings: StreamSettings) -> list[Message]:
    """What stands at the centre once there are windows, and word of the records of engines."""
    found: list[Message] = []
    async with asyncio.timeout(120), TopicReader(settings, ["windows", "quality"]) as reader:
        while not (of_engines(found) and any(one.topic == "windows" for one in found)):
            found += await reader.poll(0.5)
    return found


def of_engines(found: list[Message]) -> bool:
    told = [decode_record(one.value or b"", Quality) for one in found if one.topic == "quality"]
    return any(one.source == "engine" for one in told)


async def test_a_site_sends_its_windows_as_the_page_says(
    kafka_url: str, engine: int, tmp_path: Path
) -> None:
    page, prefix = Page("edge"), new_prefix()
    page.lay(tmp_path)
    config = tmp_path / "tidegate.json"
    text = config.read_text().replace(":8000", f":{engine}").replace("9464", str(free_port()))
    config.write_text(text.replace("kafka://127.0.0.1:9092", kafka_url))
    settings = toy_settings(kafka_url, prefix, "exactly_once", shards=16)
    await create_topics(settings)
    [command] = page.commands()

    more = {"PYTHONPATH": str(ROOT), "TIDEGATE_STREAM__TOPICS__PREFIX": prefix}
    with typed(command, tmp_path, **more) as said:
        found = await arrived(settings)

    assert "edge_line_up" in said.read_text()
    blocks = [decode_block(one.value or b"") for one in found if one.topic == "windows"]
    labels = [series for block in blocks for series in block.header.dictionary.values()]
    assert {(one["cluster"], one["pool"], one["replica"]) for one in labels} == {
        ("paris-2", "chat", "vllm-0")
    }
    quality = [decode_record(one.value or b"", Quality) for one in found if one.topic == "quality"]
    assert {(one.site, one.lost) for one in quality} == {("paris-2", 0)}
