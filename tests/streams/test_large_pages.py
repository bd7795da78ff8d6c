"""Pages of 200 MB, without an end, and drop by drop, beside a sound one: what they may cost."""

import asyncio
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from streams.clock import system_clock
from streams.schemas.telemetry import EngineSample
from streams.sources.page_reader import Page, SeriesBook
from streams.sources.prometheus_text import MAX_BYTES
from streams.sources.scrape import LARGE, Scraper, _read, accesses
from streams.sources.settings import ScrapeSettings
from streams.sources.target_meter import Lens, Reading
from streams.sources.targets import Target
from tests.streams.toys import eventually

SOUND = b'vllm:num_requests_running{model_name="m"} 2\n'
LINES = b"".join(b'vllm:num_requests_waiting{engine="%06d"} 1\n' % n for n in range(2_000))
OTHERS = b'x{engine="0123456789"} 1\n' * 4_000
HUGE_BYTES = 200_000_000
ON_ITS_WAY = 16 * 1024 * 1024
"""What the buffers of two sockets may hold."""
PATIENT = ScrapeSettings(signals_every_s=0.5, timeout_s=30.0)
"""A busy machine needs its time for 8 MB; drop by drop a page has not ended then either."""


class Pages(ThreadingHTTPServer):
    """In threads of their own, so that they cost the loop of the scraper nothing.

    most: the most bytes that one answer got rid of, by path.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Served)
        self.most: dict[str, int] = {}
        self.ended = threading.Event()

    def target(self, name: str) -> Target:
        return Target(url=f"http://127.0.0.1:{self.server_port}/{name}", replica=name)


class Served(BaseHTTPRequestHandler):
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
async def test_they_hold_nobody_up(pages: Pages) -> None:
    seen: dict[str, list[EngineSample]] = {name: [] for name in ("sound", "huge", "endless")}
    enough = asyncio.Event()

    def take(sample: Reading) -> None:
        if isinstance(sample, EngineSample) and sample.replica in seen:
            seen[sample.replica].append(sample)
        if len(seen["sound"]) >= 6 and seen["huge"] and seen["endless"]:
            enough.set()

    scraper = Scraper(PATIENT, accesses(PATIENT), take, system_clock)
    scraper.aim(pages.target(name) for name in (*seen, "slow"))
    # Who waited for the slow one would have been read twice by then.
    async with asyncio.timeout(2 * PATIENT.timeout_s):
        await enough.wait()
    await scraper.close()

    assert {sample.running for samples in seen.values() for sample in samples} == {2}


@pytest.mark.slow
async def test_they_cost_no_memory(pages: Pages, traced: None) -> None:
    scraper = Scraper(PATIENT, accesses(PATIENT), lambda _: None, system_clock)
    tracemalloc.reset_peak()
    found = await asyncio.gather(
        *(scraper.read(pages.target(name), 0) for name in ("huge", "endless"))
    )
    await scraper.close()
    peak_bytes = tracemalloc.get_traced_memory()[1]
    await eventually(lambda: pages.most.keys() == {"/huge", "/endless"}, within_s=30)

    assert [one.running for (one,) in found if isinstance(one, EngineSample)] == [2, 2]
    assert max(pages.most.values()) < MAX_BYTES + ON_ITS_WAY
    assert peak_bytes < 8 * MAX_BYTES


class Where(Lens):
    """Remembers by whom it was used."""

    def __init__(self) -> None:
        super().__init__(frozenset(), SeriesBook())
        self.threads: list[int] = []

    def read(self, text: bytes) -> Page:
        self.threads.append(threading.get_ident())
        return super().read(text)


async def test_a_large_page_is_not_read_in_the_loop() -> None:
    lens = Where()
    for page in (SOUND, SOUND * (LARGE // len(SOUND) + 1)):
        await _read(lens, page)

    small, large = lens.threads
    assert small == threading.get_ident() != large
