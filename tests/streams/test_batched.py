import asyncio
from collections.abc import AsyncIterator
from typing import Any

import crc32c
import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from faust.types import TP

from streams.admin import create_topics
from streams.app import App, create_app
from streams.batch import Message, RecordBatch, Records
from streams.fetching import HELD_S, HELD_WAIT_MS, Patience, unpacked
from streams.publisher import Publisher
from streams.settings import StreamSettings
from streams.stage import Out
from tests.streams.toys import new_prefix, running, toy_settings

COMMITTED = 1


def fetched(*batches: bytes, offset: int = 0, aborted: list[tuple[int, int]] | None = None) -> Any:
    """A fetch answer as aiokafka holds it."""
    return PartitionRecords(
        TopicPartition("t", 0), MemoryRecords(b"".join(batches)), aborted, offset, None, None, True,
        COMMITTED,
    )  # fmt: skip


def log_batch(
    base: int, values: list[bytes], *, producer: int = -1, at: list[int] | None = None
) -> bytes:
    transactional = producer >= 0
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=int(transactional), producer_id=producer,
        producer_epoch=0, base_sequence=0, batch_size=10_000,
    )  # fmt: skip
    for number, value in zip(at or range(len(values)), values, strict=False):
        builder.append(number, timestamp=5 + number, key=b"k", value=value, headers=[])
    built = bytearray(builder.build())
    built[0:8] = base.to_bytes(8, "big")  # outside of what the checksum covers
    return bytes(built)


def test_records_keep_offset_and_stamp() -> None:
    answer = fetched(log_batch(10, [b"a", b"b"]), log_batch(12, [b"c"]), offset=10)
    found = list(unpacked(answer, "t", 0))

    assert found == [
        Message("t", 0, 10, 5000, b"k", b"a"),
        Message("t", 0, 11, 6000, b"k", b"b"),
        Message("t", 0, 12, 5000, b"k", b"c"),
    ]
    assert answer.next_fetch_offset == 13


def test_records_before_the_offset_asked_for_are_left_out() -> None:
    found = list(unpacked(fetched(log_batch(10, [b"a", b"b", b"c"]), offset=12), "t", 0))

    assert [m.offset for m in found] == [12]


def test_what_compaction_took_out_leaves_gaps() -> None:
    found = unpacked(fetched(log_batch(10, [b"a", b"b"], at=[0, 3])), "t", 0)

    assert (found.offsets.tolist(), found.timestamps_us.tolist()) == ([10, 13], [5000, 8000])


def test_the_broker_s_stamp_holds_for_all_of_its_batch() -> None:
    data = bytearray(log_batch(0, [b"a", b"b"]))
    data[22] |= 8  # the type of stamps: when it was appended
    data[35:43] = (77).to_bytes(8, "big")
    data[17:21] = crc32c.crc32c(bytes(data[21:])).to_bytes(4, "big")

    assert unpacked(fetched(bytes(data)), "t", 0).timestamps_us.tolist() == [77_000, 77_000]


def test_a_broken_checksum_is_noticed() -> None:
    data = bytearray(log_batch(0, [b"a", b"b"]))
    data[-3] ^= 1

    with pytest.raises(CorruptRecordException):
        unpacked(fetched(bytes(data)), "t", 0)


def test_columns_give_messages_one_by_one_and_in_slices() -> None:
    records = unpacked(fetched(log_batch(0, [b"a", b"b", b"c"])), "t", 0)

    assert [m.value for m in records[1:]] == [b"b", b"c"]
    assert records[-1] == list(records)[2]
    assert list(Records.of(list(records))) == list(records)
    assert records.size_bytes == 3


def test_aborted_records_are_left_out_and_their_offsets_passed() -> None:
    batches = [log_batch(0, [b"x", b"x"], producer=7), log_batch(2, [b"y"], producer=8)]
    answer = fetched(*batches, aborted=[(7, 0)])

    assert [m.value for m in unpacked(answer, "t", 0)] == [b"y"]
    assert answer.next_fetch_offset == 3


def test_a_fetch_waits_briefly_while_an_answer_was_held_back_lately() -> None:
    patience = Patience(500)
    looks = [(0.0, False), (1.0, True), (1.5, False), (1.0 + HELD_S, False)]

    waits = [patience.wait_ms(held=held, now_s=now_s) for now_s, held in looks]

    assert waits == [500, HELD_WAIT_MS, HELD_WAIT_MS, 500]


class Batches:
    """Takes one partition's batches as they come."""

    def __init__(self, app: App, topic: str) -> None:
        self.app = app
        self.tp = TP(topic, 0)
        self.found: asyncio.Queue[RecordBatch] = asyncio.Queue()
        self.ours = asyncio.Event()
        app.owners.append(self)

        # An ordinary stream, which acknowledges all it hands out: Faust would commit that.
        @app.agent(app.batched_topic(topic), name="take")
        async def take(batches: Any) -> None:
            async for batch in batches:
                self.found.put_nowait(batch)

    async def assigned(self, partitions: set[TP]) -> None:
        self.ours.set()

    async def revoked(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def next(self, start: int) -> RecordBatch:
        self.app.consumer.want(self.tp, start)
        async with asyncio.timeout(20):
            return await self.found.get()


@pytest.fixture
async def settings(broker_url: str) -> StreamSettings:
    settings = toy_settings(broker_url, new_prefix(), "at_least_once")
    await create_topics(settings)
    async with Publisher(settings) as publisher:
        for number in range(5):
            await publisher.send(Out(topic="changes", key="k", value=b"%d" % number))
    return settings


@pytest.fixture
async def batches(settings: StreamSettings) -> AsyncIterator[Batches]:
    app = create_app("taking", settings)
    batches = Batches(app, f"{settings.topics.prefix}changes")
    async with running(app):
        await asyncio.wait_for(batches.ours.wait(), 20)
        yield batches


@pytest.mark.broker
async def test_a_batch_covers_what_was_asked_for(batches: Batches) -> None:
    start = 0
    values: list[bytes | None] = []
    while start < 5:
        batch = await batches.next(start)
        assert (batch.topic, batch.start) == ("changes", start)
        values += [message.value for message in batch.messages]
        start = batch.next

    assert values == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.broker
async def test_one_may_go_back(batches: Batches) -> None:
    first = await batches.next(0)

    assert list((await batches.next(0)).messages) == list(first.messages)


@pytest.mark.broker
async def test_nothing_comes_that_was_not_asked_for(batches: Batches) -> None:
    await batches.next(4)

    assert batches.found.empty()


@pytest.mark.broker
async def test_faust_commits_nothing_whatever_is_acknowledged(batches: Batches) -> None:
    await batches.next(0)
    await batches.app.commit({batches.tp.topic})
    await batches.app.consumer.commit()
    await batches.app.consumer.force_commit()

    assert await batches.app.consumer.committed(batches.tp) is None


@pytest.mark.broker
async def test_what_we_commit_is_the_offset_of_the_group(batches: Batches) -> None:
    await batches.app.consumer.commit_offset(batches.tp, 3)

    assert await batches.app.consumer.is_member()
    assert await batches.app.consumer.committed(batches.tp) == 3
