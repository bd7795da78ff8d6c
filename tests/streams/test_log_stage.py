import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from streams import metrics
from streams.admin import create_topics
from streams.app import create_app
from streams.batch import RecordBatch
from streams.log_stage import attach_log_stage
from streams.publisher import Publisher
from streams.reader import TopicReader
from streams.settings import StreamSettings
from streams.stage import Out
from tests.streams.toys import (
    Counted,
    Counting,
    eventually,
    new_prefix,
    running,
    start,
    toy_settings,
)


async def write(settings: StreamSettings, values: range) -> None:
    async with Publisher(settings) as publisher:
        await publisher.send(
            *[Out(topic="partials", key="k", value=b"%d" % n, partition=n % 2) for n in values]
        )


class Ledger:
    """What the counting stage has written, per partition, as it comes."""

    def __init__(self, reader: TopicReader) -> None:
        self.values: list[int] = []
        self.breaks = 0
        """Batches whose count does not follow from the one before."""
        self._reader = reader
        self._counts = {0: 0, 1: 0}

    async def until(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.values) < count:
                await self.read(0.5)

    async def read(self, timeout_s: float) -> None:
        for message in await self._reader.poll(timeout_s):
            counted = msgspec.json.decode(message.value or b"", type=Counted)
            self.breaks += counted.before != self._counts[message.partition]
            self._counts[message.partition] += len(counted.values)
            self.values += counted.values


@pytest.fixture
async def settings(broker_url: str) -> StreamSettings:
    settings = toy_settings(broker_url, new_prefix(), "at_least_once")
    await create_topics(settings)
    return settings


@pytest.mark.broker
async def test_a_restart_goes_on_behind_the_last_commit(settings: StreamSettings) -> None:
    async with TopicReader(settings, ["anomalies"]) as reader:
        ledger = Ledger(reader)
        for values in (range(100), range(100, 130)):
            app = create_app("counting", settings)
            attach_log_stage(
                app,
                stage="counting",
                topics=["partials"],
                handler=lambda _, partition: Counting(partition),
                replay=True,
            )
            async with running(app):
                await write(settings, values)
                await ledger.until(values.stop)

    assert (sorted(ledger.values), ledger.breaks) == (list(range(130)), 0)


class Resting(Counting):
    """Tells what it hears about the end of the log."""

    ends: asyncio.Queue[tuple[int, int]]

    async def handle(self, batch: RecordBatch) -> Sequence[Out]:
        return ()

    async def idle(self, position: int, clock_us: int) -> Sequence[Out]:
        self.ends.put_nowait((position, clock_us))
        return ()


@pytest.mark.broker
async def test_at_the_end_of_the_log_the_handler_is_told_so(settings: StreamSettings) -> None:
    await write(settings, range(0, 10, 2))
    ends = Resting.ends = asyncio.Queue()
    app = create_app("resting", settings)
    attach_log_stage(app, stage="resting", topics=["partials"], handler=lambda _, n: Resting(n))

    async with running(app), asyncio.timeout(20):
        found = {(await ends.get())[0] for _ in range(2)}

    assert found == {0, 5}


class Failing(Counting):
    """Cannot take its first batch, the first time."""

    failed = False

    async def handle(self, batch: RecordBatch) -> Sequence[Out]:
        if not Failing.failed:
            Failing.failed = True
            raise ValueError("on purpose")
        return await super().handle(batch)


@pytest.mark.broker
async def test_a_handler_that_fails_is_made_anew_and_sees_the_batch_again(
    settings: StreamSettings,
) -> None:
    await write(settings, range(10))
    app = create_app("failing", settings)
    attach_log_stage(app, stage="failing", topics=["partials"], handler=lambda _, n: Failing(n))

    async with TopicReader(settings, ["anomalies"]) as reader, running(app):
        ledger = Ledger(reader)
        await ledger.until(10)

    assert (sorted(ledger.values), ledger.breaks) == (list(range(10)), 0)


class Held(Counting):
    """Takes nothing before it is let go."""

    go: asyncio.Event
    begun: asyncio.Event

    async def handle(self, batch: RecordBatch) -> Sequence[Out]:
        Held.begun.set()
        await Held.go.wait()
        return await super().handle(batch)


@pytest.mark.broker
async def test_lag_is_what_lies_between_the_position_and_the_end(settings: StreamSettings) -> None:
    Held.go, Held.begun = asyncio.Event(), asyncio.Event()
    app = create_app("held", settings)
    attach_log_stage(app, stage="held", topics=["partials"], handler=lambda _, n: Held(n))
    lag = metrics.LAG.labels("held", "partials")

    await write(settings, range(0, 6, 2))
    async with running(app):
        async with asyncio.timeout(20):
            await Held.begun.wait()
        for n in range(6, 16, 2):
            await write(settings, range(n, n + 1))
        await eventually(lambda: lag._value.get() == 8, within_s=20)
        behind = {name: vital.behind for name, vital in app.vitals.parts.items()}
        Held.go.set()
        await eventually(lambda: lag._value.get() == 0, within_s=20)

    assert behind == {"partials/0": True, "partials/1": False}


@pytest.mark.kafka
async def test_counts_are_exact_after_two_kills(kafka_url: str) -> None:
    settings = toy_settings(kafka_url, new_prefix(), "exactly_once")
    await create_topics(settings)
    total, kills = 6_000, [1_500, 3_500]
    worker = start("counting", settings)
    try:
        async with TopicReader(settings, ["anomalies"]) as reader, Publisher(settings) as source:
            ledger = Ledger(reader)
            feeding = asyncio.create_task(feed(source, total))
            for count in kills:
                await ledger.until(count)
                worker.kill()  # while records come in and transactions follow one another
                await asyncio.to_thread(worker.wait)
                worker = start("counting", settings)
            await feeding
            await ledger.until(total)
            await ledger.read(2.0)  # would bring what was counted twice
    finally:
        worker.kill()
        await asyncio.to_thread(worker.wait)

    assert (sorted(ledger.values), ledger.breaks) == (list(range(total)), 0)


async def feed(source: Publisher, total: int) -> None:
    for first in range(0, total, 20):
        values = range(first, first + 20)
        await source.send(
            *[Out(topic="partials", key="k", value=b"%d" % n, partition=n % 2) for n in values]
        )
