import pytest
from aiokafka.admin import NewTopic

from streams import topic_shape
from streams.admin import Admin, check_topics, create_topics, mend_topics, set_on_topic
from streams.connection import full_name
from streams.settings import StreamSettings
from streams.topics import TOPICS
from tests.streams.toys import new_prefix, toy_settings


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


async def made_wrong(settings: StreamSettings) -> None:
    """Three topics that nobody should make like this, then all the others."""
    wrong = {
        "requests": (1, {"retention.ms": "3600000", "flush.ms": "5000"}),
        "state.plan": (1, {"cleanup.policy": "delete", "max.message.bytes": "5000"}),
        "partials": (4, {"cleanup.policy": "compact"}),
    }
    async with Admin(settings) as admin:
        await admin.create_topics(
            [
                NewTopic(full_name(settings, name), partitions, 1, topic_configs=configuration)
                for name, (partitions, configuration) in wrong.items()
            ]
        )
    await create_topics(settings)


@pytest.mark.kafka
async def test_topics_made_wrong_are_mended_where_that_deletes_nothing(kafka_url: str) -> None:
    settings = toy_settings(kafka_url, new_prefix(), "exactly_once")
    await made_wrong(settings)

    await mend_topics(settings)

    left = [(problem.topic, problem.what) for problem in await check_topics(settings)]
    name = full_name(settings, "partials")
    assert left == [(name, "partitions"), (name, "cleanup.policy")]


@pytest.mark.kafka
async def test_what_else_was_set_on_a_topic_stays(kafka_url: str) -> None:
    settings = toy_settings(kafka_url, new_prefix(), "exactly_once")
    await made_wrong(settings)

    await mend_topics(settings)

    async with Admin(settings) as admin:
        kept = await set_on_topic(admin, full_name(settings, "requests"))
    assert (kept["flush.ms"], kept["retention.ms"]) == ("5000", "86400000")


@pytest.mark.kafka
async def test_the_settings_of_the_broker_are_compared_too(
    kafka_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = toy_settings(kafka_url, new_prefix(), "exactly_once")
    await create_topics(settings)
    monkeypatch.setitem(topic_shape.BROKER_CONFIGURATION, topic_shape.ABORT_SCAN, "500")

    (problem,) = await check_topics(settings)
    assert str(problem) == f"broker 1: {topic_shape.ABORT_SCAN} should be 500 or less, is 1000"
