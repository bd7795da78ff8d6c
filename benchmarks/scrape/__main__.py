"""Scrapes N local targets for a minute and says what it cost: ``make bench-scrape``."""

import argparse
import asyncio
import resource
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import psutil

from benchmarks.scrape.peer import parser_s, prometheus
from streams.clock import SECOND_US, system_clock
from streams.metrics import SCRAPE_SKIPPED
from streams.schemas.telemetry import EngineSample
from streams.sources.scrape import Scraper, accesses
from streams.sources.settings import ScrapeSettings
from streams.sources.target_meter import Reading
from streams.sources.targets import target

SETTLE_S = 12.0
"""For connections, layouts and first looks."""


@dataclass
class Seen:
    """What came out. late_s: from the instant a sample was due until it was there."""

    late_s: list[float] = field(default_factory=list)
    lost: int = 0
    full: int = 0

    def take(self, sample: Reading) -> None:
        assert isinstance(sample, EngineSample)
        self.late_s.append((system_clock() - sample.at_us) / SECOND_US)
        self.lost += not sample.up
        self.full += bool(sample.ttft_spread)


@asynccontextmanager
async def served(targets: int) -> AsyncIterator[list[str]]:
    """Ports of as many targets, in a process of their own."""
    argv = [sys.executable, "-m", "benchmarks.scrape.server", str(targets)]
    pipe = asyncio.subprocess.PIPE
    server = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, limit=2**20)
    assert server.stdout
    assert server.stdin
    yield (await server.stdout.readline()).decode().split()
    server.stdin.close()
    await server.wait()


async def measure(targets: int, seconds: float, prometheus_binary: str) -> str:
    async with served(targets) as ports:
        row = await ours(ports, seconds)
        if prometheus_binary:
            for interval_s in (2, 10):
                with prometheus(prometheus_binary, ports, interval_s) as process:
                    cores = await cores_of(process, seconds)
                row += (
                    f"\nPrometheus, {targets} whole pages every {interval_s} s: {cores:.2f} cores"
                )
    return row


async def ours(ports: Sequence[str], seconds: float) -> str:
    settings = ScrapeSettings(signals_every_s=2.0, full_every_s=10.0, pages_per_s=100_000)
    seen = Seen()
    scraper = Scraper(settings, accesses(settings), seen.take, system_clock)
    labels = {"pool": "chat"}
    scraper.aim([target(f"http://127.0.0.1:{port}", labels, "local") for port in ports])
    await asyncio.sleep(SETTLE_S)
    seen.late_s.clear()
    seen.lost = seen.full = 0
    skipped, cpu, began = _skipped(), time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    cpu, took = time.process_time() - cpu, time.monotonic() - began
    await scraper.close()
    late, due = np.array(seen.late_s), len(ports) * took / 2
    return (
        f"| {len(ports)} | {cpu / took:.2f} | {len(late) / due:.1%} | {seen.lost} | "
        f"{_skipped() - skipped:.0f} | {seen.full / took:.0f} | {np.median(late) * 1e3:.0f} | "
        f"{np.quantile(late, 0.99) * 1e3:.0f} | {np.max(late) * 1e3:.0f} |"
    )


async def cores_of(process: psutil.Process, seconds: float) -> float:
    await asyncio.sleep(SETTLE_S)
    before = process.cpu_times()
    await asyncio.sleep(seconds)
    after = process.cpu_times()
    return float(after.user + after.system - before.user - before.system) / seconds


def _skipped() -> float:
    [family] = SCRAPE_SKIPPED.collect()
    return family.samples[0].value


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--targets", type=int, nargs="+", default=[1000])
    words.add_argument("--seconds", type=float, default=60)
    words.add_argument("--prometheus", default="", metavar="FILE", help="its binary, as a peer")
    given = words.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    sys.stdout.write(
        "| targets | cores | scrapes done | lost | skipped | whole pages/s | late ms p50 | p99 "
        "| worst |\n|---|---|---|---|---|---|---|---|---|\n"
    )
    for targets in given.targets:
        row = asyncio.run(measure(targets, given.seconds, given.prometheus))
        sys.stdout.write(f"{row}\n")
        sys.stdout.flush()
    each_s = parser_s()
    sys.stdout.write(f"prometheus_client.parser: {each_s * 1e3:.1f} ms of CPU a page\n")


if __name__ == "__main__":
    main()
