import pytest

from streams.admin import (
    check_topics,
    configuration_of,
    create_topics,
    partitions_of,
)
from streams.settings import StreamSettings
from streams.topics import TOPICS
from tests.streams.toys import new_prefix, toy_settings


def test_sizes_of_topics_follow_the_settings() -> None:
    settings = toy_settings("kafka://h:1", "p.", "exactly_once", shards=8, raw_partitions=3)

    found = {
        name: partitions_of(TOPICS[name], settings) for name in ("requests", "windows", "rules")
    }
    assert found == {"requests": 3, "windows": 8, "rules": 1}


def test_raw_records_are_stamped_by_the_broker() -> None:
    found = configuration_of(TOPICS["requests"], StreamSettings())

    assert found == {
        "cleanup.policy": "delete",
        "max.message.bytes": "1000000",
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": "86400000",
    }


def test_compacted_state_is_kept_for_ever() -> None:
    assert "retention.ms" not in configuration_of(TOPICS["state.plan"], StreamSettings())


@pytest.mark.broker
async def test_the_embedded_broker_gets_all_topics_once(broker_url: str) -> None:
    settings = toy_settings(broker_url, new_prefix(), "at_least_once")

    assert len(await create_topics(settings)) == len(TOPICS)
    assert await create_topics(settings) == []
    assert await check_topics(settings) == []


@pytest.mark.kafka
async def test_topics_made_here_are_as_they_should_be(kafka_url: str) -> None:
    settings = toy_settings(kafka_url, new_prefix(), "exactly_once")
    await create_topics(settings)

    assert await check_topics(settings) == []


@pytest.mark.kafka
async def test_differences_are_named(kafka_url: str) -> None:
    made = toy_settings(kafka_url, new_prefix(), "exactly_once", shards=3)
    await create_topics(made)
    wanted = toy_settings(kafka_url, made.topics.prefix, "exactly_once", shards=2)

    found = [str(problem) for problem in await check_topics(wanted)]
    assert f"topic {made.topics.prefix}windows: partitions should be 2, is 3" in found


@pytest.mark.kafka
async def test_missing_topics_are_named(kafka_url: str) -> None:
    settings = toy_settings(kafka_url, new_prefix(), "exactly_once")

    first = (await check_topics(settings))[0]
    assert str(first) == f"topic {settings.topics.prefix}requests is missing"
