"""WATCH on a real Kafka, killed after some snapshots: the same output, and little to replay."""

import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack
from itertools import accumulate

import pytest

import detectors.stage
from detectors.settings import DetectionSettings
from detectors.watch import Watch
from streams import metrics
from streams.admin import create_topics
from streams.app import App, create_app, run_app
from streams.batch import Message
from streams.inputs import INPUTS
from streams.log import configure_logging
from streams.publisher import Publisher
from streams.reader import TopicReader
from streams.settings import SnapshotSettings, StreamSettings
from streams.snapshots import manifests, missing_chunks, newest_values
from streams.stage import Out
from tests.scenarios.chain import new_watch
from tests.scenarios.test_restarts import eventful
from tests.streams.toys import new_prefix, running, toy_settings

pytestmark = pytest.mark.kafka

RESULTS = ("windows", "anomalies")
SOME_WORK = SnapshotSettings(every_s=1_000, after_work_s=0.05)
PIECE = 20
"""Messages, five seconds of log."""


def settings_for(url: str, prefix: str) -> StreamSettings:
    settings = toy_settings(url, prefix, "exactly_once", shards=1)
    return settings.model_copy(update={"snapshots": SOME_WORK})


def new_app(settings: StreamSettings) -> App:
    app = create_app("watch", settings)
    detectors.stage.attach(app, DetectionSettings(), settings)
    return app


def start_worker(settings: StreamSettings) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "tests.integration.test_snapshots"]
    return subprocess.Popen([*argv, settings.broker.url, settings.topics.prefix])


class Feed:
    """A log written piece by piece, the next when the results of the last have been committed."""

    def __init__(self, log: list[Message], source: Publisher, reader: TopicReader) -> None:
        self._log = log
        self._windows = windows_by_message(log)
        """After each message."""
        self._source = source
        self._reader = reader
        self._next = 0
        self.results: list[Message] = []

    async def write(self) -> int:
        """The next few messages; how many there are now."""
        pieces = self._log[self._next : self._next + PIECE]
        await self._source.send(
            *[Out(topic="partials", key="0", value=one.value, partition=0) for one in pieces]
        )
        self._next += len(pieces)
        return self._next

    async def until(self, messages: int) -> None:
        """Until so many are written and understood."""
        async with asyncio.timeout(60):
            while self._next < messages:
                await self._until_read(await self.write())

    async def _until_read(self, messages: int) -> None:
        while sum(one.topic == "windows" for one in self.results) < self._windows[messages - 1]:
            self.results += await self._reader.poll(0.5)


async def everything(settings: StreamSettings, topic: str) -> list[Message]:
    async with TopicReader(settings, [topic]) as reader:
        found: list[Message] = []
        while not reader.caught_up.is_set():
            found += await reader.poll(0.5)
    return found


def undisturbed(settings: StreamSettings, log: list[Message]) -> list[Out]:
    sources = [(topic, 0) for topic in INPUTS]
    return Watch(0, DetectionSettings(), settings.windows, sources).step(log)


async def messages_since_the_newest(settings: StreamSettings, log: list[Message]) -> int:
    values = newest_values(await everything(settings, "snapshots.watch"))
    newest = next(one for one in manifests(values) if not missing_chunks(one, values))
    return sum(message.offset >= newest.offset for message in log)


def windows_by_message(log: list[Message]) -> list[int]:
    watch = new_watch()
    counts = [sum(o.topic == "windows" for o in watch.step([message])) for message in log]
    return list(accumulate(counts))


def replayed() -> float:
    return float(metrics.REPLAYED.labels("watch", "0")._value.get())


async def test_killed_after_snapshots_the_output_is_the_same_and_little_is_replayed(
    kafka_url: str,
) -> None:
    settings = settings_for(kafka_url, new_prefix())
    await create_topics(settings)
    async with AsyncExitStack() as stack:
        source = await stack.enter_async_context(Publisher(settings))
        reader = await stack.enter_async_context(TopicReader(settings, RESULTS))
        feed = Feed(eventful(210).log, source, reader)
        for messages in (300, 600):
            worker = start_worker(settings)
            stack.callback(worker.kill)
            await feed.until(messages)
            await feed.write()
            worker.kill()  # in the midst of it, or so
            await asyncio.to_thread(worker.wait)
        before, log = replayed(), await everything(settings, "partials")
        since = await messages_since_the_newest(settings, log)
        async with running(new_app(settings)):
            await feed.until(800)

    expected = undisturbed(settings, await everything(settings, "partials"))
    for topic in RESULTS:
        found = [one.value for one in feed.results if one.topic == topic]
        assert found == [out.value for out in expected if out.topic == topic]
    assert replayed() - before <= since < len(log) / 3


def main(url: str, prefix: str) -> int:
    configure_logging("info")
    return run_app(new_app(settings_for(url, prefix)))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
