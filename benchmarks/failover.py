"""One of several workers dies inside a transaction while demand jumps: when do others act.

``python -m benchmarks.failover --stage ingest --workers 8 --runs 5`` starts a real Kafka, runs each
case anew and prints Markdown: seconds from the death to the first decision that raises the pool
(the reactive floor) and until the final windows of all shards have passed the moment of death.
With a supervisor beside the dead worker, and without (the machine is gone).
"""

import argparse
import asyncio
import logging
import os
import signal
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from autoscaler.settings import ScalingSettings
from model_backend.settings import BackendSettings, PoolSettings
from streams.admin import create_topics
from streams.clock import SECOND_US, system_clock
from streams.codec import decode_block, decode_record, encode_record
from streams.publisher import Publisher
from streams.pulse import read_pulse
from streams.reader import TopicReader
from streams.schemas.scaling import Decision, PoolStatus
from streams.schemas.telemetry import RequestEvent
from streams.settings import BrokerSettings, StreamSettings, TopicSettings
from streams.settling import settle
from streams.stage import Out
from tests.services import Kafka
from tidegate.settings import Settings
from tidegate.settings_file import write_settings
from tidegate.supervisor import Child, Supervisor
from tidegate.worker import stage_command

POOL = PoolSettings(name="codex", service="codex", model="m", slots=4, max_replicas=8)
CALM, SURGE = 2, 14
"""Requests in flight before and after the death; 14 call for more than two replicas."""
RAISED = 3
PATIENCE_S = 60.0


@dataclass(slots=True)
class Seen:
    """What a reader of `decisions` and `windows` saw, and when by its clock."""

    shards: int
    calm_decisions: int = 0
    raised_us: int = 0
    marks: dict[int, int] = field(default_factory=dict)
    passed_us: dict[int, int] = field(default_factory=dict)
    """Shard -> when its final watermark was seen to have passed the death."""
    died_us: int = 0
    reason: str = ""

    def decision(self, decision: Decision, now_us: int) -> None:
        self.calm_decisions += decision.desired == 1 and not decision.inputs["stalled"]
        if decision.desired >= RAISED and not self.raised_us:
            self.raised_us, self.reason = now_us, decision.reason

    def window(self, value: bytes, now_us: int) -> None:
        header = decode_block(value).header
        if header.provisional:
            return
        self.marks[header.shard] = max(header.watermark_us, self.marks.get(header.shard, 0))
        if self.died_us and header.watermark_us > self.died_us:
            self.passed_us.setdefault(header.shard, now_us)

    @property
    def over(self) -> bool:
        return bool(self.raised_us) and len(self.passed_us) == self.shards


@dataclass(frozen=True, slots=True)
class Times:
    floor_s: float
    windows_s: float


class Traffic:
    """A few requests a second through every partition, and the pool's gauge."""

    def __init__(self, publisher: Publisher, partitions: int) -> None:
        self.held = CALM
        self._publisher = publisher
        self._partitions = partitions

    async def run(self) -> None:
        beat = 0
        while True:
            now_us = system_clock()
            for partition in range(self._partitions):
                arrived = RequestEvent(kind="arrived", at_us=now_us, pool=POOL.name)
                self._offer("requests", encode_record(arrived), partition)
            if beat % 4 == 0:
                self._tell(now_us)
            beat += 1
            await asyncio.sleep(0.25)

    def _tell(self, now_us: int) -> None:
        gauge = RequestEvent(
            kind="gauge", at_us=now_us, pool=POOL.name, queued=0.0, in_flight=float(self.held)
        )
        # As the gateway does: each second another partition.
        self._offer("requests", encode_record(gauge), now_us // SECOND_US % self._partitions)
        status = PoolStatus(
            pool=POOL.name, service="codex", model="m", at_us=now_us, desired=1, ready=1,
            slots_per_replica=POOL.slots,
        )  # fmt: skip
        self._publisher.offer(Out(topic="pools", key=f"local/{POOL.name}", value=status))

    def _offer(self, topic: str, value: bytes, partition: int) -> None:
        self._publisher.offer(Out(topic=topic, key="k", value=value, partition=partition))


def settings_for(url: str, prefix: str, workers: int, session_s: float = 6.0) -> Settings:
    return Settings(
        stream=StreamSettings(
            broker=BrokerSettings(url=url, session_timeout_s=session_s),
            topics=TopicSettings(prefix=prefix, raw_partitions=workers, shards=workers),
        ),
        backend=BackendSettings(pools=(POOL,)),
        scaling=ScalingSettings(ladder="full", dry_run=False),
    )


async def fail_over(
    settings: Settings, *, stage: str, workers: int, helped: bool, folder: Path
) -> tuple[Times, Seen]:
    """One death. helped: a supervisor is there to settle what the dead worker left."""
    await create_topics(settings.stream)
    write_settings(settings, folder / "settings.json")
    env = {**os.environ, "TIDEGATE_CONFIG": str(folder / "settings.json")}
    steady = Supervisor(folder, env)
    mortal = Supervisor(
        folder,
        env,
        max_restarts=5 if helped else 0,
        bury=partial(settle, settings.stream) if helped else None,
    )
    async with AsyncExitStack() as undo:
        await undo.enter_async_context(asyncio.timeout(2 * PATIENCE_S))
        for supervisor in (steady, mortal):
            undo.push_async_callback(supervisor.stop)
        children = await _start(steady, mortal, stage, workers)
        publisher = await undo.enter_async_context(Publisher(settings.stream))
        traffic = Traffic(publisher, workers)
        running = asyncio.create_task(traffic.run())
        undo.callback(running.cancel)
        topics = ["decisions", "windows"]
        reader = await undo.enter_async_context(TopicReader(settings.stream, topics))
        seen = Seen(workers)
        while seen.calm_decisions < 3 or not (mortals := [c for c in children if _writes(c)]):
            await _look(reader, seen)
        await _kill(mortals[0], reader, seen)
        traffic.held = SURGE
        while not seen.over:
            await _look(reader, seen)
    windows_us = max(seen.passed_us.values()) - seen.died_us
    return Times((seen.raised_us - seen.died_us) / SECOND_US, windows_us / SECOND_US), seen


async def _start(
    steady: Supervisor, mortal: Supervisor, stage: str, workers: int
) -> Sequence[Child]:
    for other in {"ingest", "watch", "plan"} - {stage}:
        await steady.start(other, stage_command(other, 0, steady.folder / f"{other}.pulse"))
    children = []
    for number in range(workers):
        name = f"{stage}-{number}"
        pulse = mortal.folder / f"{name}.pulse"
        argv = [sys.executable, "-m", "benchmarks.dying", stage, str(pulse)]
        children.append(await mortal.start(name, argv, pulse=pulse))
    return children


def _writes(child: Child) -> bool:
    return child.pulse is not None and bool(read_pulse(child.pulse).producers)


async def _kill(child: Child, reader: TopicReader, seen: Seen) -> None:
    died = (child.pulse or child.log).with_suffix(".died")
    os.kill(child.pid, signal.SIGUSR1)
    while not died.exists() or not died.read_text():
        await _look(reader, seen)
    seen.died_us = int(died.read_text())


async def _look(reader: TopicReader, seen: Seen) -> None:
    for message in await reader.poll(0.05):
        now_us = system_clock()
        if message.topic == "decisions":
            seen.decision(decode_record(message.value or b"", Decision), now_us)
        else:
            seen.window(message.value or b"", now_us)


def markdown(title: str, times: Sequence[Times]) -> str:
    cells = [title, str(len(times))]
    for values in ([t.floor_s for t in times], [t.windows_s for t in times]):
        cells += [f"{statistics.median(values):.1f}", f"{min(values):.1f}–{max(values):.1f}"]
    return f"| {' | '.join(cells)} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", choices=("ingest", "watch"), default="ingest")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--alone", action="store_true", help="no supervisor: the machine is gone")
    arguments = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # complains of topics just made
    what = f"{arguments.stage}, {'machine lost' if arguments.alone else 'supervised'}"
    times = []
    with tempfile.TemporaryDirectory() as name:
        kafka = Kafka(Path(name) / "kafka")
        kafka.start()
        try:
            for run in range(arguments.runs):
                folder = Path(name) / str(run)
                folder.mkdir()
                one, seen = asyncio.run(
                    fail_over(
                        settings_for(kafka.url, f"f{run}.", arguments.workers),
                        stage=arguments.stage,
                        workers=arguments.workers,
                        helped=not arguments.alone,
                        folder=folder,
                    )
                )
                print(f"{what}: {one}; {seen.reason}", file=sys.stderr, flush=True)
                times.append(one)
        finally:
            kafka.stop()
    print("| who dies | runs | floor: median s | range | final windows: median s | range |")
    print("|---|---|---|---|---|---|")
    print(markdown(what, times))
    return 0


if __name__ == "__main__":
    sys.exit(main())
