"""docs/adopt/remote-write.md, typed, with a real Prometheus that scrapes a page of vLLM."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from streams.batch import Message
from streams.codec import decode_record
from streams.schemas.telemetry import EngineSample
from tests.adopt.doors import first, running, topics_at, variables
from tests.adopt.page import Page
from tests.services.base import Missing, free_port

PAGE = Page("remote-write")


class Engine:
    """A page of vLLM that says ten tokens more each time."""

    def __init__(self) -> None:
        self.tokens = 100

    async def page(self, _: web.Request) -> web.Response:
        self.tokens += 10
        labels = '{model_name="gemma",engine="0"}'
        return web.Response(
            text=(
                "# TYPE vllm:num_requests_running gauge\n"
                f"vllm:num_requests_running{labels} 3.0\n"
                "# TYPE vllm:generation_tokens_total counter\n"
                f"vllm:generation_tokens_total{labels} {self.tokens}\n"
                "# TYPE process_open_fds gauge\nprocess_open_fds 7\n"
            ),
            headers={"Content-Type": "text/plain; version=0.0.4"},
        )


@asynccontextmanager
async def prometheus(folder: Path) -> AsyncIterator[None]:
    """With the configuration in the folder."""
    services = pytest.importorskip("tests.services.prometheus", reason="make services")
    try:
        binary = services.Prometheus.prepare()
    except Missing as exc:
        pytest.skip(f"prometheus: {exc}")
    argv = [
        str(binary),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{free_port()}",
        "--log.level=error",
    ]
    process = subprocess.Popen(argv)  # noqa: ASYNC220  -- returns at once
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.broker
async def test_the_page_brings_in_what_prometheus_scrapes(broker_url: str, tmp_path: Path) -> None:
    pytest.importorskip("google.protobuf", reason="pip install tidegate[otlp]")
    settings, port = await topics_at(broker_url, "at_least_once"), free_port()
    (receive,) = PAGE.commands()
    PAGE.lay(tmp_path)
    more = variables(settings, TIDEGATE_STREAM__RECEIVE__PORT=str(port))
    app = web.Application()
    app.router.add_get("/metrics", Engine().page)

    async with (
        asyncio.timeout(60),
        TestServer(app) as engine,
        running(receive, tmp_path, port, **more),
    ):
        target = f"127.0.0.1:{engine.port}"
        _point(tmp_path / "prometheus.yml", f":{engine.port}", f":{port}")
        async with prometheus(tmp_path):
            message = await first(settings, "engine", _tells_tokens)

    sample = decode_record(message.value or b"", EngineSample)
    assert (sample.pool, sample.replica) == ("codex", target)
    assert (sample.running, sample.up) == (3, 1)
    assert sample.output_tokens % 10 == 0


def _point(config: Path, engine: str, door: str) -> None:
    text = config.read_text()
    config.write_text(text.replace(":8000", engine).replace(":4318", door))


def _tells_tokens(message: Message) -> bool:
    return decode_record(message.value or b"", EngineSample).output_tokens > 0
