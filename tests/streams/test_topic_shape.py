from collections.abc import Mapping
from dataclasses import replace

import pytest

from streams.settings import BrokerSettings, StreamSettings
from streams.topic_shape import (
    ABORT_SCAN,
    Found,
    TopicProblem,
    broker_problems,
    configuration_of,
    partitions_of,
    problems,
)
from streams.topics import TOPICS
from tests.streams.toys import toy_settings

SETTINGS = toy_settings("kafka://h:1", "p.", "exactly_once", shards=8, raw_partitions=3)


def right() -> dict[str, Found]:
    """Every topic as it should be."""
    return {
        name: Found(
            partitions=partitions_of(topic, SETTINGS),
            replication=1,
            configuration=configuration_of(topic, SETTINGS),
        )
        for name, topic in TOPICS.items()
    }


def but(
    name: str, configuration: Mapping[str, str] | None = None, *, partitions: int | None = None
) -> list[TopicProblem]:
    """What is said of one topic that differs."""
    found = right()
    one = found[name]
    dotted = {key.replace("_", "."): value for key, value in (configuration or {}).items()}
    found[name] = replace(
        one,
        partitions=one.partitions if partitions is None else partitions,
        configuration={**one.configuration, **dotted},
    )
    return problems(SETTINGS, found)


def test_sizes_of_topics_follow_the_settings() -> None:
    found = {
        name: partitions_of(TOPICS[name], SETTINGS) for name in ("requests", "windows", "rules")
    }
    assert found == {"requests": 3, "windows": 8, "rules": 1}


def test_raw_records_are_stamped_by_the_broker_and_kept_for_a_day() -> None:
    assert configuration_of(TOPICS["requests"], StreamSettings()) == {
        "cleanup.policy": "delete",
        "max.message.bytes": "1000000",
        "message.timestamp.type": "LogAppendTime",
        "retention.ms": "86400000",
        "retention.bytes": "-1",
    }


def test_state_is_kept_for_ever_and_compacted_soon() -> None:
    found = configuration_of(TOPICS["state.plan"], StreamSettings())

    assert "retention.ms" not in found
    assert (found["segment.ms"], found["min.cleanable.dirty.ratio"]) == ("600000", "0.1")


def test_three_replicas_ask_for_two_that_have_written() -> None:
    settings = StreamSettings(broker=BrokerSettings(replication_factor=3))

    assert configuration_of(TOPICS["partials"], settings)["min.insync.replicas"] == "2"


def test_topics_as_they_should_be_are_no_problem() -> None:
    assert problems(SETTINGS, right()) == []


@pytest.mark.parametrize(
    ("name", "configuration"),
    [
        pytest.param("requests", {"retention_ms": "172800000"}, id="kept-longer"),
        pytest.param("requests", {"retention_ms": "-1"}, id="kept-for-ever"),
        pytest.param("partials", {"max_message_bytes": "2000000"}, id="room-for-more"),
        pytest.param("pools", {"cleanup_policy": "delete,compact"}, id="said-in-another-order"),
        pytest.param("state.plan", {"segment_ms": "60000"}, id="compacted-sooner"),
    ],
)
def test_better_than_asked_for_is_no_problem(name: str, configuration: dict[str, str]) -> None:
    assert but(name, configuration) == []


@pytest.mark.parametrize(
    ("name", "configuration", "said"),
    [
        pytest.param(
            "requests",
            {"retention_ms": "3600000"},
            "retention.ms should be 86400000 or more, is 3600000",
            id="forgotten-too-soon",
        ),
        pytest.param(
            "partials",
            {"retention_bytes": "1000"},
            "retention.bytes should be -1, is 1000",
            id="limited-by-size",
        ),
        pytest.param(
            "gpu",
            {"message_timestamp_type": "CreateTime"},
            "message.timestamp.type should be LogAppendTime, is CreateTime",
            id="stamped-by-producers",
        ),
        pytest.param(
            "windows",
            {"max_message_bytes": "65536"},
            "max.message.bytes should be 1000000 or more, is 65536",
            id="blocks-do-not-fit",
        ),
        pytest.param(
            "state.plan",
            {"cleanup_policy": "delete"},
            "cleanup.policy should be compact, is delete",
            id="state-that-expires",
        ),
        pytest.param(
            "snapshots.watch",
            {"segment_ms": "604800000"},
            "segment.ms should be 600000 or less, is 604800000",
            id="never-compacted",
        ),
    ],
)
def test_what_differs_is_said_and_mended(
    name: str, configuration: dict[str, str], said: str
) -> None:
    (problem,) = but(name, configuration)

    assert str(problem) == f"topic p.{name}: {said}"
    assert problem.mendable


@pytest.mark.parametrize(
    ("name", "partitions", "remedy"),
    [
        pytest.param("requests", 2, "tidegate topics add-partitions requests 3", id="raw"),
        pytest.param("state.ingest", 2, "tidegate topics add-partitions requests 3", id="marks"),
        pytest.param("windows", 9, "TIDEGATE_STREAM__TOPICS__SHARDS=9", id="shards"),
        pytest.param("usage", 1, "kafka-topics.sh --alter --topic p.usage", id="keyed"),
        pytest.param("commands", 2, "delete the topic", id="only-one"),
    ],
)
def test_a_wrong_number_of_partitions_is_left_to_people(
    name: str, partitions: int, remedy: str
) -> None:
    (problem,) = but(name, partitions=partitions)

    assert remedy in problem.remedy
    assert not problem.mendable


def test_what_would_delete_records_is_left_to_people() -> None:
    (problem,) = but("partials", {"cleanup_policy": "compact"})

    assert "kafka-configs.sh --alter --topic p.partials" in problem.remedy
    assert not problem.mendable


def test_marks_need_a_partition_for_every_raw_one() -> None:
    (problem,) = but("engine", partitions=5)

    assert str(problem) == "topic p.state.ingest: partitions should be 5, is 3"


def test_too_few_replicas_are_named() -> None:
    broker = SETTINGS.broker.model_copy(update={"replication_factor": 2})

    found = problems(SETTINGS.model_copy(update={"broker": broker}), right())
    assert {problem.what for problem in found} == {"replication factor"}
    assert not any(problem.mendable for problem in found)


def test_a_missing_topic_is_created() -> None:
    found = right()
    del found["rules"]

    (problem,) = problems(SETTINGS, found)
    assert (str(problem), problem.mendable) == ("topic p.rules is missing", True)


def test_a_broker_that_looks_for_dead_transactions_too_seldom_is_named() -> None:
    (problem,) = broker_problems("1", {ABORT_SCAN: "10000"})

    assert str(problem) == f"broker 1: {ABORT_SCAN} should be 1000 or less, is 10000"
    assert problem.remedy == f"set {ABORT_SCAN}=1000 in its server.properties and restart it"


def test_what_a_broker_does_not_tell_is_taken_as_right() -> None:
    assert broker_problems("1", {}) == []
