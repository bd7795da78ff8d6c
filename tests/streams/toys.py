"""Stages small enough to check number for number, run as child processes that tests may kill."""

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec

from streams.app import App, create_app, run_app
from streams.batch import RecordBatch
from streams.log import configure_logging
from streams.log_stage import attach_log_stage
from streams.settings import BrokerSettings, SnapshotSettings, StreamSettings, TopicSettings
from streams.stage import Out, Outcome, Tick
from streams.ticked import attach_ticked_stage


class Counted(msgspec.Struct):
    """What the counting stage writes for one batch: the values, and how many came before them."""

    before: int
    values: list[int]


class Counting:
    """Counts the messages of a partition; its count after a restart comes from the replay."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self._count = 0

    async def restore(self, replay: AsyncIterator[RecordBatch]) -> None:
        async for batch in replay:
            self._count += len(batch.messages)

    async def handle(self, batch: RecordBatch) -> Sequence[Out]:
        values = [int(message.value or b"0") for message in batch.messages]
        counted = Counted(self._count, values)
        self._count += len(values)
        partition = self._partition
        return [Out(topic="anomalies", key=str(partition), value=counted, partition=partition)]

    async def idle(self, position: int, clock_us: int) -> Sequence[Out]:
        return ()


class Summing:
    """Numbers the changes it has seen, one audit record each."""

    inputs: tuple[str, ...] = ("changes", "anomalies")

    def __init__(self) -> None:
        self._count = 0

    def restore(self, state: Mapping[str, bytes]) -> None:
        self._count = int(state.get("count", b"0"))

    def step(self, tick: Tick) -> Outcome:
        if not tick.arrivals:
            return Outcome()
        out = []
        for arrival in tick.arrivals:
            self._count += 1
            value = msgspec.json.encode(
                {"number": self._count, "id": arrival.id, "at_us": arrival.at_us}
            )
            out.append(Out(topic="audit", key=arrival.id, value=value))
        return Outcome(out=out, state={"count": str(self._count).encode()})


class Recollecting(Summing):
    """Counts by heart: the number is in its memory only, and must be that of the state."""

    def __init__(self) -> None:
        super().__init__()
        self._known = 0

    def remember(self) -> bytes:
        return msgspec.json.encode([self._known, self._count])

    def recall(self, memory: bytes) -> list[str]:
        self._known, self._count = msgspec.json.decode(memory, type=tuple[int, int])
        return []

    def step(self, tick: Tick) -> Outcome:
        self._known += len(tick.arrivals)
        outcome = super().step(tick)
        if self._known != self._count:
            raise AssertionError(f"{self._known} are known, {self._count} were counted")
        return outcome


_NUMBERS = itertools.count()


def new_prefix() -> str:
    """Topics and groups of a test's own."""
    return f"t{os.getpid()}-{next(_NUMBERS)}."


async def eventually(condition: Callable[[], bool], *, within_s: float = 10.0) -> None:
    """Let others run until the condition holds."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110  # a fact about objects that announce nothing
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(app: App) -> AsyncIterator[App]:
    """The app in this process and loop."""
    await app.start()
    try:
        yield app
    finally:
        await app.stop()


def toy_settings(url: str, prefix: str, delivery: str, **topics: int) -> StreamSettings:
    sizes = {"shards": 2, "raw_partitions": 1} | topics
    # The embedded broker lets a group wait for half the session timeout, Kafka allows 6 s or more.
    session_s = 2 if delivery == "at_least_once" else 6
    broker = BrokerSettings.model_validate(
        {"url": url, "delivery": delivery, "session_timeout_s": session_s}
    )
    return StreamSettings(broker=broker, topics=TopicSettings(prefix=prefix, **sizes))


def often_kept(settings: StreamSettings) -> StreamSettings:
    """With snapshots every two seconds."""
    return settings.model_copy(update={"snapshots": SnapshotSettings(every_s=2.0)})


def start(kind: str, settings: StreamSettings) -> subprocess.Popen[bytes]:
    """``kind``: `counting`, `summing` or `recollecting`."""
    broker, topics = settings.broker, settings.topics
    argv = [sys.executable, "-m", "tests.streams.toys", kind]
    return subprocess.Popen([*argv, broker.url, topics.prefix, broker.delivery])


def main(kind: str, url: str, prefix: str, delivery: str) -> int:
    configure_logging("info")
    settings = toy_settings(url, prefix, delivery)
    app = create_app(kind, often_kept(settings) if kind == "recollecting" else settings)
    if kind == "counting":
        attach_log_stage(
            app,
            stage=kind,
            topics=["partials"],
            handler=lambda _, partition: Counting(partition),
            replay=True,
        )
    else:
        thinker = Recollecting if kind == "recollecting" else Summing
        attach_ticked_stage(app, stage="respond", control_topic="feedback", thinker=thinker)
    return run_app(app)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
