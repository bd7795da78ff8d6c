"""docs/adopt/engines.md: two engines on this machine, read by an agent set up as the page says."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from streams.codec import decode_record
from streams.reader import TopicReader
from streams.schemas.telemetry import EngineSample
from tests.adopt.page import Page, run
from tests.services.base import free_port
from tests.streams import engine_pages
from tests.streams.toys import new_prefix, toy_settings

pytestmark = pytest.mark.broker

ROOT = Path(__file__).parents[2]


async def serve() -> TestServer:
    """VLLM's page, with a request more behind it each time."""
    served = 0

    async def metrics(_: web.Request) -> web.Response:
        nonlocal served
        served += 1
        return web.Response(body=engine_pages.old_vllm(served), content_type="text/plain")

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    server = TestServer(app)
    await server.start_server()
    return server


@pytest.fixture
async def engines() -> AsyncIterator[list[int]]:
    servers = [await serve() for _ in range(2)]
    yield [server.port or 0 for server in servers]
    for server in servers:
        await server.close()


async def test_engines_flow_in_as_the_page_says(
    broker_url: str, engines: list[int], tmp_path: Path
) -> None:
    page, prefix = Page("engines"), new_prefix()
    page.lay(tmp_path)
    ours = {":8000": f":{engines[0]}", ":8001": f":{engines[1]}", "9464": str(free_port())}
    ours["kafka://127.0.0.1:9092"] = broker_url
    for path in tmp_path.iterdir():
        path.write_text(here(path.read_text(), ours))
    command = "".join(here(each, ours) for each in page.commands())

    done = await asyncio.to_thread(
        lambda: run(command, tmp_path, PYTHONPATH=str(ROOT), TIDEGATE_STREAM__TOPICS__PREFIX=prefix)
    )

    assert "tidegate_scrape_targets 2.0" in done.stdout, done.stderr
    assert 'tidegate_scrapes_total{outcome="read"}' in done.stdout
    samples = await written(broker_url, prefix)
    assert {(s.pool, s.replica, s.engine, s.running) for s in samples} == {
        ("chat", "vllm-0", "vllm", 8),
        ("chat", "vllm-1", "vllm", 8),
    }
    assert any(s.inter_token_spread for s in samples)


def here(text: str, ours: dict[str, str]) -> str:
    """The page's text with the addresses of this test."""
    for theirs, mine in ours.items():
        text = text.replace(theirs, mine)
    return text


async def written(broker_url: str, prefix: str) -> list[EngineSample]:
    """All there is in the topic."""
    settings = toy_settings(broker_url, prefix, "at_least_once")
    async with asyncio.timeout(20), TopicReader(settings, ["engine"]) as reader:
        async for messages in reader.batches():
            if messages:
                return [decode_record(m.value or b"", EngineSample) for m in messages]
    return []
