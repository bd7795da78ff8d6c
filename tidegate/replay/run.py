"""`tidegate record` and `tidegate replay`: a broker or a file in; a file, lines or a store out."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self

import msgspec

from streams.batch import Message
from streams.clock import SECOND_US
from streams.connection import wait_for_broker
from streams.errors import CorruptMessageError, InvalidParameterError
from streams.inputs import INPUTS, inputs
from streams.maps.schemas import SCHEMAS, with_schemas
from streams.ordered import read_ordered
from streams.recording import RecordingWriter, read_recording
from streams.settings import StreamSettings
from streams.sinks.embedded import EmbeddedSink
from streams.sinks.stage import SINK_TOPICS, message_points
from tidegate.replay.chain import RECORDED
from tidegate.replay.replay import Played, Replay
from tidegate.settings import Settings

FOREVER_US: Final = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for on the command line.

    source: a recording's file, or at the broker a topic or the prefix of all of them.
    speed: seconds of the recording in a second; 0 is as fast as it goes.
    out: where the lines go; empty is standard output.
    store: SQLite file for points, as the embedded sink writes them; empty is none.
    """

    source: str
    speed: float = 0.0
    from_us: int = 0
    until_us: int = FOREVER_US
    out: str = ""
    store: str = ""


async def replay(options: Options, settings: Settings) -> None:
    """Run a recording through the chain.

    Raises CorruptMessageError where it is broken; what came before has been written by then.
    """
    pace, run = Pace(options.speed), Replay(settings)
    with ExitStack() as stack:
        result = stack.enter_context(Result(options, settings))
        async for message in _messages(options, settings.stream):
            for played in run.take(message):
                await pace.until(played.clock_us)
                result.take(played)
        for played in run.rest():
            await pace.until(played.clock_us)
            result.take(played)


async def record(path: Path, settings: StreamSettings, *, from_us: int, until_us: int) -> int:
    """Copy what came from outside, with its stamps; returns how many messages."""
    await wait_for_broker(settings)  # Before an older recording is written over.
    try:
        writer = RecordingWriter(path)
    except OSError as exc:
        raise InvalidParameterError("FILE", str(path), f"writable ({exc.strerror})") from exc
    with writer:
        read = read_ordered(settings, _recorded(settings), since_us=from_us or None)
        async for message in with_schemas(read, settings):
            if message.timestamp_us < until_us:
                writer.write(message)
    return writer.entries


class Pace:
    """Holds the recording's clock back to ``speed`` times the real one; 0 does not."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._began: tuple[int, float] | None = None

    async def until(self, clock_us: int) -> None:
        now = asyncio.get_running_loop().time()
        first_us, began = self._began = self._began or (clock_us, now)
        if self._speed:
            due = began + (clock_us - first_us) / SECOND_US / self._speed
            await asyncio.sleep(max(0.0, due - now))


class Result:
    """Where it all goes: lines to a file or standard output, points to the store."""

    def __init__(self, options: Options, settings: Settings) -> None:
        self._options = options
        sinks = settings.stream.sinks.model_copy(update={"embedded_path": options.store})
        self._store = EmbeddedSink.from_settings(sinks)
        self._file: IO[bytes] = sys.stdout.buffer

    def __enter__(self) -> Self:
        if self._options.out:
            self._file = _opened(Path(self._options.out))
        return self

    def __exit__(self, *_: object) -> None:
        self._file.flush()
        if self._options.out:
            self._file.close()
        if self._store is not None:
            self._store.close()

    def take(self, played: Played) -> None:
        self._file.writelines(line.encoded() for line in played.lines)
        if self._store is not None:
            self._keep(self._store, [*played.came, *played.written])

    @staticmethod
    def _keep(store: EmbeddedSink, messages: Sequence[Message]) -> None:
        points = []
        for message in messages:
            if message.topic in SINK_TOPICS:
                try:
                    points += message_points(message)
                except CorruptMessageError:
                    continue  # Among the raw ones; INGEST has made a dead letter of it.
        if points:
            store.write(points)


async def _messages(options: Options, settings: StreamSettings) -> AsyncIterator[Message]:
    async for message in _source(options, settings):
        if message.topic == SCHEMAS and message.timestamp_us < options.from_us:
            yield msgspec.structs.replace(message, timestamp_us=options.from_us)
        elif options.from_us <= message.timestamp_us < options.until_us:
            yield message


async def _source(options: Options, settings: StreamSettings) -> AsyncIterator[Message]:
    if Path(options.source).is_file():
        for message in read_recording(Path(options.source)):
            yield message
        return
    prefix, topics = named(options.source)
    if options.source in {one.topic for one in settings.maps}:
        topics = (f"/{options.source}",)
    topics = _recorded(settings) if topics == RECORDED else topics
    names = settings.topics.model_copy(update={"prefix": prefix})
    at_broker = settings.model_copy(update={"topics": names})
    read = read_ordered(at_broker, topics, since_us=options.from_us or None)
    async for message in with_schemas(read, at_broker):
        yield message


def _recorded(settings: StreamSettings) -> tuple[str, ...]:
    return (*inputs(settings), *RECORDED[len(INPUTS) :])


def named(source: str) -> tuple[str, Sequence[str]]:
    """Prefix and topics that ``source`` means at the broker.

    >>> named("tidegate.requests")
    ('tidegate.', ('requests',))
    >>> named("tidegate.")[1]
    ('requests', 'engine', 'gpu', 'changes', 'pools', 'commands')
    """
    if "/" in source or source.endswith(".tgr"):
        raise InvalidParameterError("recording", source, "a file that exists")
    for topic in RECORDED:
        if source.endswith(topic):
            return source.removesuffix(topic), (topic,)
    return source, RECORDED


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("wb")
    except OSError as exc:
        raise InvalidParameterError("--out", str(path), f"writable ({exc.strerror})") from exc
