"""A system under load and disturbances on a real Kafka, and then its log in peace: equal or not."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from autoscaler.decide import repeats
from model_backend.settings import BackendSettings, PoolSettings
from streams.admin import create_topics
from streams.batch import Message
from streams.clock import system_clock
from streams.codec import decode_block
from streams.errors import BrokerUnavailableError
from streams.ordered import read_ordered
from streams.progress import Progress
from streams.publisher import Publisher
from streams.reader import TopicReader
from streams.settings import BrokerSettings, StreamSettings, TopicSettings, WindowSettings
from streams.stage import Out
from streams.ticked import OFFSETS, intervals_us
from tests.chaos.account import came, difference, imbalance, late_among
from tests.chaos.crew import WORKER, Crew
from tests.chaos.disturb import KINDS, Kind, disturb, drawn
from tests.chaos.traffic import POOLS, RAW_PARTITIONS, Traffic
from tests.services import Kafka
from tidegate.replay.chain import RECORDED
from tidegate.replay.lines import Line, lines_of
from tidegate.replay.replay import end_of, replayed
from tidegate.settings import Settings

PROGRESS: Final = ("windows", "anomalies", "state.respond")
"""Here stages say how far they have come."""
RESULTS: Final = (
    "windows", "anomalies", "incidents", "decisions", "quality", "dead-letters", "state.ingest",
)  # fmt: skip
COMPARED: Final = ("windows", "anomalies", "incidents")
MOMENT_S: Final = 0.25
SESSION_S: Final = 6.0
SETTLE_S: Final = 90.0
"""How long everything may take to be final after the last record and disturbance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to happen; when a process gets to run is the one thing that no seed fixes."""

    seed: int
    events: int
    per_s: int
    disturbances: int
    stages: Sequence[str] = ("ingest", "watch", "respond")
    """What is disturbed; two workers of each at the start."""
    kinds: Sequence[Kind] = KINDS
    module: Sequence[str] = WORKER
    shards: int = 4
    others: Sequence[str] = ()
    """Stages that are left alone; one worker of each."""

    @property
    def seconds(self) -> float:
        return self.events / self.per_s


@dataclass(slots=True)
class Happened:
    """Everything there is to know afterwards."""

    done: list[str] = field(default_factory=list)
    raw: list[Message] = field(default_factory=list)
    results: list[Message] = field(default_factory=list)
    settings: Settings = field(default_factory=Settings)

    @property
    def records(self) -> int:
        """Of telemetry; those of a repeated frame count once."""
        return came(self.raw)

    @property
    def end_us(self) -> int:
        """Until when both runs are compared."""
        return end_of(self.raw[-1].timestamp_us, self.settings.stream.windows)

    def lines(self) -> list[Line]:
        """What came out of the disturbed run."""
        interval_us = intervals_us(self.settings.stream.windows)
        return [
            line
            for message in self.results
            for line in lines_of(message, interval_us)
            if line.known_us <= self.end_us
        ]

    @property
    def told(self) -> list[str]:
        """The topic of each line."""
        return [line.topic for line in self.lines()]


def settings_of(kafka: Kafka, prefix: str, plan: Plan) -> Settings:
    stream = StreamSettings(
        broker=BrokerSettings(url=kafka.url, session_timeout_s=SESSION_S),
        topics=TopicSettings(prefix=prefix, shards=plan.shards, raw_partitions=RAW_PARTITIONS),
        windows=WindowSettings(lateness_s=1, max_skew_s=3, gpu_interval_s=5, max_series=10),
    )
    pools = tuple(PoolSettings(name=pool, service=pool, model="m") for pool in POOLS)
    return Settings(stream=stream, backend=BackendSettings(pools=pools))


async def happen(plan: Plan, kafka: Kafka, prefix: str, folder: Path) -> Happened:
    """Run it all; raises TimeoutError if it does not come to an end."""
    settings = settings_of(kafka, prefix, plan)
    await create_topics(settings.stream)
    crew = Crew(folder, settings, plan.module)
    happened = Happened(settings=settings)
    try:
        for stage in (*plan.stages, *plan.stages, *plan.others):
            crew.join(stage)
        await _flowing(settings.stream)
        disturbing = asyncio.create_task(_disturb_all(plan, crew, kafka, happened))
        await _send_all(plan, settings.stream)
        await disturbing
        for stage in (*plan.stages, *plan.others):
            if not crew.awake(stage):
                crew.join(stage)
        happened.raw = [one async for one in read_ordered(settings.stream, RECORDED)]
        async with asyncio.timeout(SETTLE_S):
            happened.results = await _settled(settings, happened.raw[-1].timestamp_us)
    finally:
        crew.end()
    return happened


async def _flowing(settings: StreamSettings) -> None:
    """Until every shard has said that time passes."""
    waiting = set(range(settings.topics.shards))
    async with asyncio.timeout(SETTLE_S), TopicReader(settings, ["windows"]) as reader:
        while waiting:
            waiting -= {message.partition for message in await reader.poll(0.5)}


async def _disturb_all(plan: Plan, crew: Crew, kafka: Kafka, happened: Happened) -> None:
    """Each in a task of its own: the next one may come before all have recovered."""
    began = asyncio.get_running_loop().time()
    tasks: list[asyncio.Task[None]] = []
    for one in drawn(plan.seed, plan.disturbances, plan.seconds, plan.stages, plan.kinds):
        await asyncio.sleep(max(0.0, began + one.at_s - asyncio.get_running_loop().time()))
        happened.done.append(f"{one.at_s:.1f} s {one.kind} {one.stage}")
        tasks.append(asyncio.create_task(disturb(one, crew, kafka, SESSION_S)))
    await asyncio.gather(*tasks)


async def _send_all(plan: Plan, settings: StreamSettings) -> None:
    traffic = Traffic(plan.seed, began_us=system_clock())
    loop = asyncio.get_running_loop()
    moments = round(plan.seconds / MOMENT_S)
    async with Publisher(settings) as publisher:
        began = loop.time()
        for moment in range(moments):
            await asyncio.sleep(max(0.0, began + moment * MOMENT_S - loop.time()))
            out = list(traffic.moment(system_clock(), round(plan.per_s * MOMENT_S)))
            while not await _sent(publisher, out):
                continue  # What arrived all the same is in the log twice, and counts twice.


async def _sent(publisher: Publisher, out: Sequence[Out]) -> bool:
    try:
        await publisher.send(*out)
    except BrokerUnavailableError:
        return False
    return True


async def _settled(settings: Settings, last_us: int) -> list[Message]:
    """All results, once everything that the raw log caused must be among them."""
    end_us = end_of(last_us, settings.stream.windows)
    passed: set[tuple[str, int]] = set()
    async with TopicReader(settings.stream, PROGRESS) as reader:
        while len(passed) < 2 * settings.stream.topics.shards + 1:
            found = await reader.poll(0.5)
            passed |= {_place(one) for one in found if _progress_us(one) >= end_us}
    return [one async for one in read_ordered(settings.stream, RESULTS)]


def _place(message: Message) -> tuple[str, int]:
    return message.topic, message.partition


def _progress_us(message: Message) -> int:
    if message.topic in ("windows", "anomalies"):
        header = decode_block(message.value or b"").header
        return header.watermark_us if header.part == header.parts else 0
    if message.topic == "state.respond" and message.key == OFFSETS.encode():
        return Progress.load(message.value).now_us
    return 0


def verdict(happened: Happened) -> str:
    """What is wrong, in one sentence; empty if nothing is."""
    in_peace = list(replayed(happened.raw, happened.settings))
    expected = [line for step in in_peace for line in step.lines]
    got = happened.lines()
    if different := difference(_compared(expected), _compared(got)):
        # If these differ, a watermark ran ahead of a record: see ``max_clock_error_s``.
        late = late_among(message for step in in_peace for message in step.written)
        return f"{different}; late: expected {late}, got {late_among(happened.results)}"
    return (
        imbalance(happened.raw, got, happened.results)
        or _undecided(happened.results)
        or _uneventful(got)
    )


def _compared(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if line.topic in COMPARED]


def _undecided(results: Sequence[Message]) -> str:
    """Decisions are the same again, given what they say they were made from."""
    for message in results:
        if message.topic == "decisions" and not repeats(message.value or b""):
            return f"decision at offset {message.offset} comes out different"
    return ""


def _uneventful(got: Sequence[Line]) -> str:
    """Two runs without anything in them are equal too."""
    missing = set(COMPARED) - {line.topic for line in got}
    return f"no {', '.join(sorted(missing))} at all" if missing else ""
