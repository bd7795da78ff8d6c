"""Seeded events in, record batches on a raw topic out; and what their windows must come to."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from streams.clock import SECOND_US, system_clock
from streams.codec import FrameHeader, decode_record, encode_frame
from streams.connection import full_name, new_producer
from streams.frames import encode_records
from streams.schemas.telemetry import RequestEvent
from streams.settings import StreamSettings

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

    from streams.windows.table import Ints

BATCH_BYTES: Final = 65_536
"""Of a record batch, as busy producers make them; lz4."""
CHUNK: Final = 10_000
"""Events that share one reading of the clock."""
FRAME: Final = 200
POOLS: Final = 16
JITTER_US: Final = 500_000
"""Events are out of order by up to this."""

Windows = dict[tuple[str, int], list[int]]
"""(model, second) -> [count, sum of durations in µs]."""
Message = tuple[bytes | None, bytes]
"""Key and value."""


@dataclass(frozen=True, slots=True)
class Events:
    """Columns of finished requests."""

    at_us: "Ints"
    model: "Ints"
    duration_us: "Ints"

    def of(self, partition: int, partitions: int) -> "Events":
        """A model's events are all in one partition: some peers can sum up only by message key."""
        mine = self.model % partitions == partition
        return Events(self.at_us[mine], self.model[mine], self.duration_us[mine])


def drawn(rng: np.random.Generator, count: int, models: int, now_us: int) -> Events:
    return Events(
        now_us - rng.integers(0, JITTER_US, count),
        rng.integers(0, models, count),
        np.maximum(1, rng.lognormal(13.5, 0.6, count)).astype(np.int64),
    )


def name_of(model: int) -> str:
    return f"model-{model:05d}"


def lines(events: Events) -> list[bytes]:
    """JSON of about 150 bytes each."""
    form = (
        b'{"kind":"finished","at_us":%d,"pool":"pool-%02d","model":"model-%05d",'
        b'"request_id":"%08x","status":200,"output_tokens":%d,"duration_s":%d.%06d}'
    )
    columns = (events.at_us, events.model, events.duration_us)
    return [
        form
        % (at, model % POOLS, model, at ^ took, took >> 13, took // SECOND_US, took % SECOND_US)
        for at, model, took in zip(*(column.tolist() for column in columns), strict=True)
    ]


def single(events: Events, _: FrameHeader) -> Iterable[Message]:
    keys = [name_of(model).encode() for model in range(int(events.model.max(initial=0)) + 1)]
    return zip([keys[model] for model in events.model.tolist()], lines(events), strict=True)


def json_frames(events: Events, header: FrameHeader) -> Iterable[Message]:
    made = lines(events)
    for number, start in enumerate(range(0, len(made), FRAME)):
        body = made[start : start + FRAME]
        numbered = header.but(sequence=header.sequence + number, count=len(body))
        yield None, encode_frame(numbered, b"\n".join(body))


def column_frames(events: Events, header: FrameHeader) -> Iterable[Message]:
    records = [decode_record(line, RequestEvent) for line in lines(events)]
    for number, start in enumerate(range(0, len(records), FRAME)):
        numbered = header.but(sequence=header.sequence + number)
        yield None, encode_records(numbered, records[start : start + FRAME])


FORMATS: Final[Mapping[str, Callable[[Events, FrameHeader], Iterable[Message]]]] = {
    "json": single,
    "json-frames": json_frames,
    "column-frames": column_frames,
}
"""How events travel. The header says producer, boot and the first frame's sequence."""


class Loader:
    """Fills the partitions of `requests` and keeps count of what its windows must come to."""

    def __init__(
        self,
        producer: "AIOKafkaProducer",
        settings: StreamSettings,
        *,
        models: int,
        form: str = "json",
        seed: int = 0,
    ) -> None:
        self.events = 0
        self.ends = [0] * settings.topics.raw_partitions
        """Offset after the last message of each partition, in a topic that only we write."""
        self.expected: Windows = defaultdict(lambda: [0, 0])
        self.produced: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
        """When the events of a window were made (µs), and how many each time."""
        self._producer = producer
        self._topic = full_name(settings, "requests")
        self._models = models
        self._form = FORMATS[form]
        self._rng = np.random.default_rng(seed)

    async def load(self, count: int) -> None:
        """``count`` events more, stamped now, written when it returns."""
        written: list[asyncio.Future[object]] = []
        for start in range(0, count, CHUNK):
            size = min(CHUNK, count - start)
            now_us = system_clock()
            events = drawn(self._rng, size, self._models, now_us)
            self._expect(events, now_us)
            written += await self._spread(events)
        await asyncio.gather(*written)

    async def close_windows(self, ahead_s: float) -> None:
        """One event a model, so far ahead that whoever closes by event time closes the rest."""
        models = np.arange(self._models)
        at_us = np.full(self._models, system_clock() + round(ahead_s * SECOND_US))
        events = Events(at_us, models, np.ones(self._models, np.int64))
        await asyncio.gather(*await self._spread(events))

    def _expect(self, events: Events, now_us: int) -> None:
        self.events += events.at_us.size
        second = events.at_us // SECOND_US
        keys, row = np.unique(second * self._models + events.model, return_inverse=True)
        counts = np.bincount(row)
        sums = np.bincount(row, weights=events.duration_us)
        for key, count, total in zip(keys.tolist(), counts, sums, strict=True):
            window = name_of(key % self._models), key // self._models
            self.produced[window].append((now_us, int(count)))
            held = self.expected[window]
            held[0] += int(count)
            held[1] += int(total)

    async def _spread(self, events: Events) -> list[asyncio.Future[object]]:
        partitions = len(self.ends)
        written: list[asyncio.Future[object]] = []
        for partition in range(partitions):
            header = FrameHeader(
                producer="load", boot=str(partition), sequence=self.ends[partition], count=0
            )
            made = list(self._form(events.of(partition, partitions), header))
            self.ends[partition] += len(made)
            written += await send(self._producer, self._topic, partition, made)
        return written


@asynccontextmanager
async def busy_producer(settings: StreamSettings) -> "AsyncIterator[AIOKafkaProducer]":
    """Sends record batches as those who have much to send do."""
    producer = new_producer(settings, compression_type="lz4", max_batch_size=BATCH_BYTES)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def send(
    producer: "AIOKafkaProducer", topic: str, partition: int, messages: Iterable[Message]
) -> list[asyncio.Future[object]]:
    """In record batches that are built at once: message by message costs ten times as much."""
    written: list[asyncio.Future[object]] = []
    batch = producer.create_batch()
    for key, value in messages:
        if batch.append(timestamp=None, key=key, value=value) is None:
            written.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(timestamp=None, key=key, value=value)
    if batch.record_count():
        written.append(await producer.send_batch(batch, topic, partition=partition))
    return written
