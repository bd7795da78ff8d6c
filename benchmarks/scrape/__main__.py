"""Scrapes N local targets for a minute and says what it cost: ``make bench-scrape``."""

import argparse
import asyncio
import resource
import sys
import time
from dataclasses import dataclass, field

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.scrape.pages import STORED
from streams.clock import SECOND_US, system_clock
from streams.metrics import SCRAPE_SKIPPED
from streams.schemas.telemetry import EngineSample
from streams.sources.scrape import Scraper
from streams.sources.settings import ScrapeSettings
from streams.sources.targets import target


@dataclass
class Seen:
    """What came out. late_s: from the instant a sample was due until it was there."""

    late_s: list[float] = field(default_factory=list)
    lost: int = 0
    full: int = 0

    def take(self, sample: EngineSample) -> None:
        self.late_s.append((system_clock() - sample.at_us) / SECOND_US)
        self.lost += not sample.up
        self.full += bool(sample.ttft_spread)


async def measure(targets: int, seconds: float) -> str:
    argv = [sys.executable, "-m", "benchmarks.scrape.server", str(targets)]
    pipe = asyncio.subprocess.PIPE
    server = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, limit=2**20)
    assert server.stdout is not None
    ports = (await server.stdout.readline()).split()
    settings = ScrapeSettings(signals_every_s=2.0, full_every_s=10.0, pages_per_s=100_000)
    seen = Seen()
    scraper = Scraper(settings, lambda sample: seen.take(sample), system_clock)
    addresses = [f"http://127.0.0.1:{port.decode()}" for port in ports]
    scraper.aim([target(url, {"pool": "chat"}, "local") for url in addresses])
    await asyncio.sleep(12)  # Connections, layouts and first looks.
    seen.late_s.clear()
    seen.lost = seen.full = 0
    skipped, cpu, began = _skipped(), time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    cpu, took = time.process_time() - cpu, time.monotonic() - began
    due = targets * took / 2
    late = np.array(seen.late_s)
    row = (
        f"| {targets} | {cpu / took:.2f} | {len(late) / due:.1%} | {seen.lost} | "
        f"{_skipped() - skipped:.0f} | {seen.full / took:.0f} | {np.median(late) * 1e3:.0f} | "
        f"{np.quantile(late, 0.99) * 1e3:.0f} | {np.max(late) * 1e3:.0f} |"
    )
    await scraper.close()
    assert server.stdin is not None
    server.stdin.close()
    await server.wait()
    return row


def peer() -> str:
    """What reading the pages alone would cost with the usual parser."""
    text = STORED.read_text()
    began = time.process_time()
    for _ in range(50):
        list(text_string_to_metric_families(text))
    each_s = (time.process_time() - began) / 50
    cores = each_s * 500
    return f"prometheus_client.parser: {each_s * 1e3:.1f} ms a page, {cores:.1f} cores for 500/s"


def _skipped() -> float:
    [family] = SCRAPE_SKIPPED.collect()
    return family.samples[0].value


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--targets", type=int, nargs="+", default=[1000])
    words.add_argument("--seconds", type=float, default=60)
    given = words.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    sys.stdout.write(
        "| targets | cores | scrapes done | lost | skipped | whole pages/s | late ms p50 | p99 "
        "| worst |\n|---|---|---|---|---|---|---|---|---|\n"
    )
    for targets in given.targets:
        sys.stdout.write(asyncio.run(measure(targets, given.seconds)) + "\n")
        sys.stdout.flush()
    sys.stdout.write(peer() + "\n")


if __name__ == "__main__":
    main()
