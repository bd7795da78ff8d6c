"""One contender empties a full log: what that costs, how long it takes, whether it is right.

The contender reads a little first, so that start-up and first use are over, and is frozen while the
log is filled; the time from its thaw to its last result is what counts.
"""

import os
import signal
import time
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from benchmarks.ingest.contenders import Contender
from benchmarks.ingest.load import Loader, Windows, busy_producer
from benchmarks.ingest.peer import Peer
from benchmarks.ingest.stages import Ingest
from streams.admin import create_topics, delete_topics
from streams.settings import BrokerSettings, StreamSettings, TopicSettings

WARM: Final = 4_000
SESSION_S: Final = 60.0
"""Longer than anybody is frozen."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How much of what; one of these varies along a curve."""

    events: int
    partitions: int = 4
    models: int = 20
    workers: int = 1


class Drained(msgspec.Struct, frozen=True, kw_only=True):
    """What one run came to."""

    events: int
    seconds: float
    cpu_s: float
    rss_bytes: int
    load: float
    """Load average of the machine before."""
    difference: str | None
    """In what the windows are wrong; empty when every one is right, None where there are none."""

    @property
    def per_s(self) -> float:
        return self.events / self.seconds

    @property
    def cpu_s_per_million(self) -> float:
        return self.cpu_s / self.events * 1e6


def new_settings(url: str, partitions: int, shards: int = 16) -> StreamSettings:
    """Topics of this run's own, everything else as it comes."""
    return StreamSettings(
        broker=BrokerSettings(url=url, session_timeout_s=SESSION_S),
        topics=TopicSettings(
            prefix=f"b{uuid.uuid4().hex[:8]}.", raw_partitions=partitions, shards=shards
        ),
    )


async def drain(contender: Contender, size: Size, url: str) -> Drained:
    settings = new_settings(url, size.partitions)
    await create_topics(settings)
    try:
        with TemporaryDirectory(prefix="bench-ingest-") as folder:
            async with busy_producer(settings) as producer:
                loader = Loader(producer, settings, models=size.models, form=contender.form)
                running = (
                    Peer(contender.script, settings, Path(folder))
                    if contender.script
                    else Ingest(size.workers, settings, Path(folder))
                )
                try:
                    return await _measured(running, contender, size, loader)
                finally:
                    await running.stop()
    finally:
        await delete_topics(settings)


async def _measured(
    running: Peer | Ingest, contender: Contender, size: Size, loader: Loader
) -> Drained:
    load = os.getloadavg()[0]
    await loader.load(WARM)
    await running.start(loader)
    running.processes.signal(signal.SIGSTOP)
    await loader.load(size.events)
    if contender.closes_s:
        await loader.close_windows(contender.closes_s)
    running.loaded(loader)
    cpu_s, began = running.processes.cpu_s(), time.monotonic()
    running.processes.signal(signal.SIGCONT)
    await running.done(loader)
    seconds, cpu_s = time.monotonic() - began, running.processes.cpu_s() - cpu_s
    rss_bytes = running.processes.rss_bytes()
    return Drained(
        events=size.events,
        seconds=seconds,
        cpu_s=cpu_s,
        rss_bytes=rss_bytes,
        load=load,
        difference=difference(loader.expected, await running.windows())
        if contender.windows
        else None,
    )


def difference(expected: Windows, found: Windows) -> str:
    """Empty if every window has its count and sum."""
    wrong = [key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key)]
    if not wrong:
        return ""
    missing = sum(row[0] for row in expected.values()) - sum(row[0] for row in found.values())
    return f"{len(wrong)} of {len(expected)} windows differ, {missing:+d} events missing"
