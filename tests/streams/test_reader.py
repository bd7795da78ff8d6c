import asyncio

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewPartitions, RecordsToDelete

from streams import connection
from streams.admin import create_topics
from streams.batch import Message
from streams.connection import new_admin, new_producer
from streams.publisher import Publisher
from streams.reader import TopicReader
from streams.settings import StreamSettings
from streams.stage import Out
from tests.streams.toys import new_prefix, toy_settings


@pytest.fixture
async def settings(broker_url: str) -> StreamSettings:
    settings = toy_settings(broker_url, new_prefix(), "at_least_once")
    await create_topics(settings)
    return settings


async def write(settings: StreamSettings, topic: str, *values: bytes, partition: int = 0) -> None:
    async with Publisher(settings) as publisher:
        for value in values:
            await publisher.send(Out(topic=topic, key="k", value=value, partition=partition))


async def read_all(reader: TopicReader) -> list[Message]:
    found: list[Message] = []
    async with asyncio.timeout(20):
        while not reader.caught_up.is_set():
            found += await reader.poll(0.5)
    return found


@pytest.mark.broker
async def test_all_partitions_of_all_topics_are_read_from_the_beginning(
    settings: StreamSettings,
) -> None:
    await write(settings, "partials", b"a", partition=0)
    await write(settings, "partials", b"b", partition=1)
    await write(settings, "changes", b"c")

    async with TopicReader(settings, ["partials", "changes"]) as reader:
        found = await read_all(reader)

    assert {(m.topic, m.partition, m.value) for m in found} == {
        ("partials", 0, b"a"),
        ("partials", 1, b"b"),
        ("changes", 0, b"c"),
    }


@pytest.mark.broker
async def test_empty_topics_are_caught_up_with_at_once(settings: StreamSettings) -> None:
    async with TopicReader(settings, ["commands"]) as reader:
        assert reader.caught_up.is_set()


@pytest.mark.broker
async def test_what_comes_later_comes_too(settings: StreamSettings) -> None:
    async with TopicReader(settings, ["changes"], start="latest") as reader:
        await write(settings, "changes", b"new")
        async with asyncio.timeout(20):
            async for messages in reader.batches():
                assert [m.value for m in messages] == [b"new"]
                break


@pytest.mark.broker
async def test_reading_can_start_at_given_offsets(settings: StreamSettings) -> None:
    await write(settings, "changes", b"0", b"1", b"2")

    async with TopicReader(settings, ["changes"], positions={("changes", 0): 2}) as reader:
        assert [m.offset for m in await read_all(reader)] == [2]


@pytest.mark.broker
async def test_a_partition_on_hold_is_not_read_until_it_is_released(
    settings: StreamSettings,
) -> None:
    await write(settings, "partials", b"a", partition=0)
    await write(settings, "partials", b"b", partition=1)

    async with TopicReader(settings, ["partials"]) as reader:
        reader.hold({("partials", 0)})
        async with asyncio.timeout(20):
            while reader.behind != {("partials", 0)}:
                assert all(m.partition == 1 for m in await reader.poll(0.5))
        reader.hold(set())
        assert [m.value for m in await read_all(reader)] == [b"a"]


@pytest.fixture
async def exact(kafka_url: str) -> StreamSettings:
    settings = toy_settings(kafka_url, new_prefix(), "exactly_once")
    await create_topics(settings)
    return settings


@pytest.mark.kafka
async def test_reading_can_start_at_a_time(exact: StreamSettings) -> None:
    await write(exact, "changes", b"old", b"new")
    async with TopicReader(exact, ["changes"]) as reader:
        old, new = await read_all(reader)

    async with TopicReader(exact, ["changes"], since_us=old.timestamp_us + 1) as reader:
        found = await read_all(reader)
    assert found == ([new] if new.timestamp_us > old.timestamp_us else [])


@pytest.mark.kafka
async def test_partitions_that_are_added_are_read_too(
    exact: StreamSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.reader.NEW_PARTITIONS_S", 0.0)
    monkeypatch.setattr("streams.connection.METADATA_MAX_AGE_MS", 200)
    async with TopicReader(exact, ["changes"]) as reader:
        await write(exact, "changes", b"a")
        assert [m.value for m in await reader.poll(10)] == [b"a"]

        admin = new_admin(exact)
        await admin.start()
        await admin.create_partitions({f"{exact.topics.prefix}changes": NewPartitions(2)})
        await admin.close()
        async with asyncio.timeout(20):
            while ("changes", 1) not in reader.sources:
                await reader.poll(0.2)
        await write(exact, "changes", b"b", partition=1)
        assert [m.value for m in await reader.poll(10)] == [b"b"]


@pytest.mark.kafka
async def test_expired_positions_are_passed_over(exact: StreamSettings) -> None:
    await write(exact, "changes", b"0", b"1", b"2")
    topic = TopicPartition(f"{exact.topics.prefix}changes", 0)
    admin = new_admin(exact)
    await admin.start()
    await admin.delete_records({topic: RecordsToDelete(before_offset=2)})
    await admin.close()

    async with TopicReader(exact, ["changes"], positions={("changes", 0): 1}) as reader:
        assert [m.offset for m in await read_all(reader)] == [2]


@pytest.mark.kafka
async def test_a_look_at_the_ends_counts_what_is_not_committed(exact: StreamSettings) -> None:
    async with (
        new_producer(exact, transactional_id=exact.topics.prefix) as somebody,
        TopicReader(exact, ["changes"]) as reader,
    ):
        await somebody.begin_transaction()
        await somebody.send_and_wait(f"{exact.topics.prefix}changes", b"new")
        await reader.look_at_ends(["changes"])
        assert reader.behind == {("changes", 0)}

        await somebody.commit_transaction()
        found: list[Message] = []
        async with asyncio.timeout(20):
            while reader.behind:
                found += await reader.poll(0.2)
    assert [m.value for m in found] == [b"new"]


@pytest.mark.kafka
async def test_opening_does_not_wait_for_the_metadata_to_be_renewed(
    exact: StreamSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "METADATA_MAX_AGE_MS", 3_600_000)
    async with TopicReader(exact, ["changes"]) as reader:
        assert ("changes", 0) in reader.sources
