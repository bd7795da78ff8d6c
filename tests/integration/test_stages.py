"""All stages under one supervisor on a real Kafka: what each shows, and that none needs another.

"The lag of the others stays zero" means, while one stage is frozen: every other stage is seen with
no more left to read than comes in about two seconds (some gather that long before they commit), and
those that do not live on its output go on taking in records. What lies downstream of it has nothing
to read, and says so by its watermark instead.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import aiohttp
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.failover import Traffic, settings_for
from streams.admin import create_topics
from streams.publisher import Publisher
from streams.stage import Out
from tests.services.base import listens
from tests.streams.toys import new_prefix
from tidegate.settings import Settings
from tidegate.settings_file import write_settings
from tidegate.wiring import STAGES

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

DOWNSTREAM: Mapping[str, set[str]] = {
    "ingest": {"watch", "respond", "plan", "alert", "drive", "sink"},
    "watch": {"respond", "plan", "alert", "drive", "sink"},
    "respond": {"alert"},
    "plan": {"drive"},
    "alert": set(),
    "drive": {"respond", "plan", "sink"},
    "sink": set(),
}
"""Who may have nothing (or less) to do while the one is frozen."""
NEAR_ZERO = 60
PATIENCE_S = 90


class Flow:
    """A running `tidegate worker` and the doors of its stages."""

    def __init__(self, process: subprocess.Popen[bytes], first_port: int) -> None:
        self.process = process
        self._ports = {stage: first_port + index for index, stage in enumerate(STAGES)}

    def pid(self, stage: str) -> int:
        children = psutil.Process(self.process.pid).children()
        return next(
            child.pid for child in children if f"--stages {stage}" in " ".join(child.cmdline())
        )

    async def scrape(self, stage: str) -> dict[str, float]:
        """Name -> value, summed over all other labels; nothing while it does not answer."""
        url = f"http://127.0.0.1:{self._ports[stage]}/metrics"
        timeout = aiohttp.ClientTimeout(total=2)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(url) as answer,
            ):
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            return {}
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                name = sample.name.removeprefix("tidegate_stage_")
                found[name] = found.get(name, 0.0) + sample.value
        return found

    async def until(self, stage: str, **least: float) -> dict[str, float]:
        """Until these have at least these values and next to nothing is left to read."""
        for _ in range(PATIENCE_S * 5):
            seen = await self.scrape(stage)
            enough = all(seen.get(name, -1.0) >= value for name, value in least.items())
            if enough and seen.get("lag_records", NEAR_ZERO) < NEAR_ZERO:
                return seen
            await asyncio.sleep(0.2)
        pytest.fail(f"{stage} should show {least}, shows {seen}")


@pytest.fixture
async def settings(kafka_url: str, tmp_path: Path) -> Settings:
    settings = settings_for(kafka_url, new_prefix(), 2)
    sinks = settings.stream.sinks.model_copy(update={"jsonl_path": str(tmp_path / "out.jsonl")})
    # No watchdog is to end the frozen one before we have looked at all the others.
    stream = settings.stream.model_copy(update={"sinks": sinks, "stuck_after_s": 600.0})
    await create_topics(stream)
    return settings.model_copy(update={"stream": stream})


def free_ports(count: int) -> int:
    """The first of so many free ports in a row, outside the range that outgoing connections use."""
    for first in range(20_000, 32_000, count):
        if not any(listens(port) for port in range(first, first + count)):
            return first
    pytest.fail("no free ports in a row")


@pytest.fixture
def flow(settings: Settings, tmp_path: Path) -> Iterator[Flow]:
    write_settings(settings, tmp_path / "settings.json")
    port = free_ports(len(STAGES))
    worker = subprocess.Popen(
        [sys.executable, "-m", "tidegate", "worker", "--metrics-port", str(port)],
        env={**os.environ, "TIDEGATE_CONFIG": str(tmp_path / "settings.json")},
    )
    yield Flow(worker, port)
    worker.terminate()
    worker.wait(20)


@pytest.fixture
async def traffic(settings: Settings) -> AsyncIterator[Publisher]:
    async with Publisher(settings.stream) as publisher:
        running = asyncio.create_task(Traffic(publisher, 2).run())
        yield publisher
        running.cancel()


async def test_each_stage_shows_how_it_is_and_one_that_freezes_harms_no_other(
    flow: Flow, traffic: Publisher
) -> None:
    await traffic.send(Out(topic="requests", key="k", value=b"moon", partition=0))
    shown = {stage: await flow.until(stage, records_in_total=1) for stage in STAGES}
    # ALERT has no second to step before the first incident.
    for stage in ("ingest", "watch", "respond", "plan"):
        shown[stage] = await flow.until(stage, watermark_seconds=1, watermark_lag_seconds=0)

    assert shown["ingest"]["dead_letters_total"] == 1
    assert shown["watch"]["late_after_close_total"] == shown["watch"]["lost_records_total"] == 0
    assert shown["watch"]["coverage_ratio"] == 1
    assert shown["watch"]["open_windows"] > 0
    assert all(shown[stage]["commit_seconds_count"] > 0 for stage in set(STAGES) - {"alert"})
    assert all(seen["partitions"] >= 1 and seen["hangs_total"] == 0 for seen in shown.values())
    assert all(0 < seen["rebalances_total"] < 10 for seen in shown.values())
    assert shown["watch"]["fetch_idle_seconds_total"] > 0

    for frozen, downstream in DOWNSTREAM.items():
        os.kill(pid := flow.pid(frozen), signal.SIGSTOP)
        try:
            for other in set(STAGES) - {frozen}:
                read = (await flow.until(other))["records_in_total"]
                await flow.until(other, records_in_total=read + (other not in downstream))
        finally:
            os.kill(pid, signal.SIGCONT)
        for stage in STAGES:  # and the one that was frozen goes on, and so do those behind it
            read = (await flow.until(stage))["records_in_total"]
            await flow.until(stage, records_in_total=read + 1)
