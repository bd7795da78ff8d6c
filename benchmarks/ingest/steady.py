"""INGEST and WATCH under a steady rate: cores, memory, and how soon a window can be read."""

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol

import msgspec

from benchmarks.ingest.drain import new_settings
from benchmarks.ingest.figures import percentile
from benchmarks.ingest.gpus import METRICS, GpuLoader
from benchmarks.ingest.load import Loader, busy_producer
from benchmarks.ingest.stages import Stage
from streams.admin import create_topics, delete_topics
from streams.batch import Message
from streams.clock import SECOND_US, system_clock
from streams.codec import decode_block
from streams.reader import TopicReader
from streams.settings import StreamSettings
from streams.windows.blocks import decode_table

WARM_S: Final = 12.0
"""First windows, first batches and a whole GPU window lie before what is measured."""
SETTLE_S: Final = 8.0
STALL_S: Final = 8.0
TICK_S: Final = 0.02
POLL_S: Final = 0.02


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One steady load.

    metrics: of a GPU sample; 0 sends request events instead.
    stall: freeze one of two INGEST workers afterwards, so that windows leave provisionally.
    """

    rate: int
    metrics: int = 0
    partitions: int = 4
    shards: int = 16
    stall: bool = False


class Steady(msgspec.Struct, frozen=True, kw_only=True):
    """What a steady load came to; latencies in seconds from produced to read."""

    line: Line
    achieved_per_s: float
    ingest_cores: float
    watch_cores: float
    ingest_rss_bytes: int
    watch_rss_bytes: int
    load: float
    final_s: tuple[float, float] | None
    """Median and 99th percentile over events."""
    provisional_s: tuple[float, float] | None


LINES: Final[Mapping[str, Line]] = {
    "2,000 request events/s": Line(rate=2_000, stall=True),
    f"10,000 GpuSamples/s of {len(METRICS)} metrics": Line(rate=10_000, metrics=len(METRICS)),
    "200,000 GpuSamples/s of one metric": Line(rate=200_000, metrics=1),
    "idle": Line(rate=0),
    "idle, 16 raw partitions": Line(rate=0, partitions=16),
    "idle, 64 shards": Line(rate=0, shards=64),
}


class Feed(Protocol):
    async def load(self, count: int) -> None: ...


class Seen:
    """When each window could first be read, by ``read_committed`` readers."""

    def __init__(self) -> None:
        self.final_us: dict[tuple[str, int], int] = {}
        self.provisional_us: dict[tuple[str, int], int] = {}

    async def watch(self, settings: StreamSettings) -> None:
        async with TopicReader(settings, ["windows"]) as reader:
            while True:
                messages = await reader.poll(POLL_S)
                for message in messages:
                    self._take(message, system_clock())

    def _take(self, message: Message, now_us: int) -> None:
        block = decode_block(message.value or b"")
        if block.header.series_kind != "request" or not block.columns:
            return
        table = decode_table(block)
        seen = self.provisional_us if block.header.provisional else self.final_us
        for series, window_us in zip(table.series.tolist(), table.window_us.tolist(), strict=True):
            seen.setdefault((table.labels[series]["model"], window_us // SECOND_US), now_us)


async def steady(line: Line, seconds: float, url: str) -> Steady:
    settings = new_settings(url, line.partitions, line.shards)
    await create_topics(settings)
    try:
        with TemporaryDirectory(prefix="bench-ingest-") as folder:
            stages = [Stage(name, settings, Path(folder)) for name in ("ingest", "watch")]
            try:
                for stage, workers in zip(stages, (1 + line.stall, 1), strict=True):
                    await stage.start(workers)
                return await _measured(line, seconds, settings, *stages)
            finally:
                await asyncio.gather(*[stage.processes.stop() for stage in stages])
    finally:
        await delete_topics(settings)


async def _measured(
    line: Line, seconds: float, settings: StreamSettings, ingest: Stage, watch: Stage
) -> Steady:
    load = os.getloadavg()[0]
    seen = Seen()
    async with busy_producer(settings) as producer, asyncio.TaskGroup() as group:
        requests = Loader(producer, settings, models=20)
        feed: Feed = (
            GpuLoader(producer, settings, metrics=line.metrics) if line.metrics else requests
        )
        reading = group.create_task(seen.watch(settings))
        await paced(feed, line.rate, WARM_S)
        begun_us, before = system_clock(), (ingest.processes.cpu_s(), watch.processes.cpu_s())
        sent = await paced(feed, line.rate, seconds)
        ended_us, after = system_clock(), (ingest.processes.cpu_s(), watch.processes.cpu_s())
        rss = ingest.processes.rss_bytes(), watch.processes.rss_bytes()
        if line.rate and not line.metrics:
            await paced(feed, line.rate, SETTLE_S)  # until what was measured is final
        stalled_us = system_clock()
        if line.stall:
            ingest.processes.signal(signal.SIGSTOP, first=1)
            await paced(feed, line.rate, STALL_S)
        reading.cancel()
    took_s = (ended_us - begun_us) / SECOND_US
    return Steady(
        line=line,
        achieved_per_s=sent / took_s,
        ingest_cores=(after[0] - before[0]) / took_s,
        watch_cores=(after[1] - before[1]) / took_s,
        ingest_rss_bytes=rss[0],
        watch_rss_bytes=rss[1],
        load=load,
        final_s=latency(requests, seen.final_us, begun_us, ended_us),
        provisional_s=latency(requests, seen.provisional_us, stalled_us, system_clock()),
    )


async def paced(feed: Feed, rate: int, seconds: float) -> int:
    """Send at this rate, catching up when late; returns how many were sent."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    sent = 0
    while (passed := loop.time() - began) < seconds:
        if (due := int(passed * rate) - sent) > 0:
            await feed.load(due)
            sent += due
        await asyncio.sleep(TICK_S)
    return sent


def latency(
    loader: Loader, seen_us: Mapping[tuple[str, int], int], from_us: int, to_us: int
) -> tuple[float, float] | None:
    """Of the events produced within a span whose window was seen: median and 99th percentile."""
    waited: list[float] = []
    counts: list[int] = []
    for window, made in loader.produced.items():
        for produced_us, count in made:
            if window in seen_us and from_us <= produced_us < to_us:
                waited.append((seen_us[window] - produced_us) / SECOND_US)
                counts.append(count)
    if not waited:
        return None
    return percentile(waited, counts, 0.5), percentile(waited, counts, 0.99)
