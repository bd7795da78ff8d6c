"""Pages of 200 MB, without an end, and drop by drop, beside a sound one: what they may cost."""

import asyncio
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest

from streams.clock import SECOND_US, system_clock
from streams.schemas.telemetry import EngineSample
from streams.sources.prometheus_text import MAX_BYTES
from streams.sources.scrape import Scraper, accesses
from streams.sources.settings import ScrapeSettings
from streams.sources.target_meter import Reading
from streams.sources.targets import Target

SOUND = b'vllm:num_requests_running{model_name="m"} 2\n'
LINES = b"".join(b'vllm:num_requests_waiting{engine="%06d"} 1\n' % n for n in range(2_000))
OTHERS = b'x{engine="0123456789"} 1\n' * 4_000
HUGE_BYTES = 200_000_000
ON_ITS_WAY = 16 * 1024 * 1024
"""What the buffers of two sockets may hold."""
OFTEN = ScrapeSettings(signals_every_s=0.5, timeout_s=5.0)


class Pages(ThreadingHTTPServer):
    """In threads of their own, so that they cost the loop of the scraper nothing.

    most: the most bytes that one answer got rid of, by path.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.most: dict[str, int] = {}
        self.ended = threading.Event()


class Page(BaseHTTPRequestHandler):
    server: Pages

    def do_GET(self) -> None:
        self.send_response(200)
        if self.path == "/huge":
            self.send_header("Content-Length", str(HUGE_BYTES))
        self.end_headers()
        sent = 0
        with suppress(OSError):
            for part in self._parts():
                sent += self.connection.send(part)
        self.server.most[self.path] = max(sent, self.server.most.get(self.path, 0))

    def _parts(self) -> Iterator[bytes]:
        match self.path:
            case "/sound":
                yield SOUND
            case "/slow":
                while not self.server.ended.wait(0.05):
                    yield b"v"
            case _:
                yield SOUND
                while not self.server.ended.is_set():
                    yield LINES if self.path == "/huge" else OTHERS

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def pages() -> Iterator[Pages]:
    with Pages() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.ended.set()
        server.shutdown()
        thread.join(10)


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.slow
async def test_they_cost_no_memory_and_hold_nobody_up(pages: Pages, traced: None) -> None:
    seen: dict[str, list[EngineSample]] = {name: [] for name in ("sound", "huge", "endless")}
    enough = asyncio.Event()

    def take(sample: Reading) -> None:
        if isinstance(sample, EngineSample):
            seen.setdefault(sample.replica, []).append(sample)
        if len(seen["sound"]) >= 6 and seen["huge"] and seen["endless"]:
            enough.set()

    url = f"http://127.0.0.1:{pages.server_port}"
    scraper = Scraper(OFTEN, accesses(OFTEN), take, system_clock)
    tracemalloc.reset_peak()
    scraper.aim(Target(url=f"{url}/{name}", replica=name) for name in (*seen, "slow"))
    async with asyncio.timeout(20):
        await enough.wait()
    await scraper.close()
    peak_bytes = tracemalloc.get_traced_memory()[1]

    assert {sample.running for name in ("sound", "huge", "endless") for sample in seen[name]} == {2}
    steps = {later.at_us - earlier.at_us for earlier, later in pairwise(seen["sound"])}
    assert steps == {SECOND_US // 2}, "a page of a sound neighbour was left out"
    assert max(pages.most.values()) < MAX_BYTES + ON_ITS_WAY
    assert peak_bytes < 8 * MAX_BYTES
