"""Topics as they should be: created where missing, compared where they exist."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from streams.connection import full_name, new_admin, wait_for_broker
from streams.errors import BrokerUnavailableError
from streams.settings import StreamSettings
from streams.topics import TOPICS, Topic

_NO_ERROR: Final = 0
LISTED_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicProblem:
    """One way in which a topic differs from what it should be."""

    topic: str
    """With prefix."""
    what: str
    """`missing`, `partitions` or the name of a configuration."""
    expected: str
    found: str

    def __str__(self) -> str:
        if self.what == "missing":
            return f"topic {self.topic} is missing"
        return f"topic {self.topic}: {self.what} should be {self.expected}, is {self.found}"


def partitions_of(topic: Topic, settings: StreamSettings) -> int:
    match topic.partitions:
        case "raw":
            return settings.topics.raw_partitions
        case "shards":
            return settings.topics.shards
        case count:
            return count


def configuration_of(topic: Topic, settings: StreamSettings) -> dict[str, str]:
    """Broker-side settings of a topic."""
    configuration = {
        "cleanup.policy": topic.cleanup,
        "max.message.bytes": str(settings.topics.max_message_bytes),
        "message.timestamp.type": "LogAppendTime" if topic.append_time else "CreateTime",
    }
    if "delete" in topic.cleanup:
        configuration["retention.ms"] = str(topic.retention_ms)
    return configuration


async def create_topics(settings: StreamSettings) -> list[str]:
    """Create every topic that is missing; returns their names, with prefix.

    Raises BrokerUnavailableError if the broker does not answer or refuses.
    """
    await wait_for_broker(settings)
    async with _Admin(settings) as admin:
        existing = set(await admin.list_topics())
        missing = [
            NewTopic(
                full_name(settings, topic.name),
                partitions_of(topic, settings),
                settings.broker.replication_factor,
                topic_configs=configuration_of(topic, settings),
            )
            for topic in TOPICS.values()
            if full_name(settings, topic.name) not in existing
        ]
        if not missing:
            return []
        response = await admin.create_topics(missing)
        created = _created(settings, response.topic_errors)
        await _wait_until_listed(admin, set(created))
    return created


async def _wait_until_listed(admin: AIOKafkaAdminClient, names: set[str]) -> None:
    """Kafka answers before its brokers know; who asks them meanwhile hears of no such topic."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LISTED_S):
            while not names <= set(await admin.list_topics()):  # noqa: ASYNC110  # nothing tells us
                await asyncio.sleep(0.05)


async def delete_topics(settings: StreamSettings) -> None:
    """Delete every topic with this prefix; for runs that leave nothing behind."""
    async with _Admin(settings) as admin:
        existing = set(await admin.list_topics())
        ours = {full_name(settings, name) for name in TOPICS} & existing
        if ours:
            await admin.delete_topics(sorted(ours))


def _created(settings: StreamSettings, answers: Iterable[Any]) -> list[str]:
    names = []
    for name, code, *message in answers:
        if code == _NO_ERROR:
            names.append(name)
        elif code != TopicAlreadyExistsError.errno:
            detail = (message[0] if message else "") or for_code(code).__name__
            raise BrokerUnavailableError(settings.broker.url, f"cannot create {name}: {detail}")
    return names


async def check_topics(settings: StreamSettings) -> list[TopicProblem]:
    """What differs from what it should be; what a broker does not tell is taken as right."""
    await wait_for_broker(settings)
    async with _Admin(settings) as admin:
        wanted = {full_name(settings, topic.name): topic for topic in TOPICS.values()}
        known = set(await admin.list_topics()) & set(wanted)
        partitions = {
            described["topic"]: len(described["partitions"])
            for described in (await admin.describe_topics(sorted(known)) if known else [])
        }
        configurations = await _configurations(admin, known)
    return [
        problem
        for name, topic in wanted.items()
        for problem in _problems(
            name, topic, settings, partitions.get(name), configurations.get(name, {})
        )
    ]


def _problems(
    name: str,
    topic: Topic,
    settings: StreamSettings,
    partitions: int | None,
    configuration: dict[str, str],
) -> list[TopicProblem]:
    if partitions is None:
        return [TopicProblem(topic=name, what="missing", expected="present", found="absent")]
    problems = []
    expected = partitions_of(topic, settings)
    # More raw partitions than asked for do no harm; shards are fixed.
    if partitions < expected or (topic.partitions != "raw" and partitions != expected):
        problems.append(
            TopicProblem(
                topic=name, what="partitions", expected=str(expected), found=str(partitions)
            )
        )
    for what, value in configuration_of(topic, settings).items():
        found = configuration.get(what, value)
        if set(found.split(",")) != set(value.split(",")):
            problems.append(TopicProblem(topic=name, what=what, expected=value, found=found))
    return problems


async def _configurations(
    admin: AIOKafkaAdminClient, names: Iterable[str]
) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in sorted(names)]
    found: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(resources) if resources else []:
        for code, _, _, name, entries in response.resources:
            if code == _NO_ERROR:
                found[name] = {entry[0]: entry[1] for entry in entries if entry[1] is not None}
    return found


class _Admin:
    """An admin client for the length of a block, its errors as ours."""

    def __init__(self, settings: StreamSettings) -> None:
        self._settings = settings
        self._client = new_admin(settings)

    async def __aenter__(self) -> AIOKafkaAdminClient:
        await self._client.start()
        return self._client

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        await self._client.close()
        if isinstance(error, KafkaError):
            raise BrokerUnavailableError(self._settings.broker.url, str(error)) from error
