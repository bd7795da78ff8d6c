"""Topics at the broker: created where missing, mended where that is safe, compared, deleted."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from streams.connection import bare_name, full_name, new_admin, wait_for_broker
from streams.errors import BrokerUnavailableError
from streams.settings import StreamSettings
from streams.topic_shape import (
    BROKER_CONFIGURATION,
    Found,
    TopicProblem,
    broker_problems,
    configuration_of,
    partitions_of,
    problems,
)
from streams.topics import TOPICS

__all__ = ["Admin", "check_topics", "create_topics", "delete_topics", "mend_topics"]

_NO_ERROR: Final = 0
_SET_ON_THE_TOPIC: Final = 1
"""Where a configuration comes from, as the protocol numbers it."""
LISTED_S: Final = 10.0


async def create_topics(settings: StreamSettings) -> list[str]:
    """Create every topic that is missing; returns their names, with prefix.

    Raises BrokerUnavailableError if the broker does not answer or refuses.
    """
    await wait_for_broker(settings)
    async with Admin(settings) as admin:
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


async def mend_topics(settings: StreamSettings) -> list[TopicProblem]:
    """Set the configurations that differ, where that deletes nothing; returns what was mended."""
    wanted = {full_name(settings, topic.name): topic for topic in TOPICS.values()}
    async with Admin(settings) as admin:
        found = await _found(admin, settings)
        mended = [each for each in problems(settings, found) if each.mendable]
        for name in {each.topic for each in mended if each.what != "missing"}:
            right = configuration_of(wanted[name], settings)
            change = {each.what: right[each.what] for each in mended if each.topic == name}
            # AlterConfigs forgets what it is not told: all that was set is said again.
            kept = await set_on_topic(admin, name)
            await _alter(admin, settings, name, kept | change)
    return [each for each in mended if each.what != "missing"]


async def check_topics(settings: StreamSettings) -> list[TopicProblem]:
    """What differs from what it should be; what a broker does not tell is taken as right."""
    await wait_for_broker(settings)
    async with Admin(settings) as admin:
        found = problems(settings, await _found(admin, settings))
        if settings.broker.delivery == "exactly_once":
            found += await _broker_problems(admin)
    return found


async def delete_topics(settings: StreamSettings) -> None:
    """Delete every topic with this prefix; for runs that leave nothing behind."""
    async with Admin(settings) as admin:
        existing = set(await admin.list_topics())
        ours = {full_name(settings, name) for name in TOPICS} & existing
        if ours:
            await admin.delete_topics(sorted(ours))


async def partition_counts(admin: AIOKafkaAdminClient, settings: StreamSettings) -> dict[str, int]:
    """Topics of ours that exist, without prefix, and how many partitions they have."""
    return {
        bare_name(settings, each["topic"]): len(each["partitions"])
        for each in await _described(admin, settings)
    }


async def _described(admin: AIOKafkaAdminClient, settings: StreamSettings) -> Sequence[Any]:
    ours = {full_name(settings, name) for name in TOPICS} & set(await admin.list_topics())
    return await admin.describe_topics(sorted(ours)) if ours else []


async def _found(admin: AIOKafkaAdminClient, settings: StreamSettings) -> dict[str, Found]:
    described = await _described(admin, settings)
    configurations = await _configurations(admin, [each["topic"] for each in described])
    return {
        bare_name(settings, each["topic"]): Found(
            partitions=len(each["partitions"]),
            replication=min((len(one["replicas"]) for one in each["partitions"]), default=0),
            configuration=configurations.get(each["topic"], {}),
        )
        for each in described
    }


async def _broker_problems(admin: AIOKafkaAdminClient) -> list[TopicProblem]:
    brokers = [str(each["node_id"]) for each in (await admin.describe_cluster())["brokers"]]
    names = dict.fromkeys(BROKER_CONFIGURATION)
    found = await _entries(
        admin, [ConfigResource(ConfigResourceType.BROKER, each, names) for each in brokers]
    )
    return [
        problem
        for broker, entries in found.items()
        for problem in broker_problems(broker, _values(entries))
    ]


async def _configurations(
    admin: AIOKafkaAdminClient, names: Iterable[str]
) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in sorted(names)]
    found = await _entries(admin, resources)
    return {name: _values(entries) for name, entries in found.items()}


async def set_on_topic(admin: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    found = await _entries(admin, [ConfigResource(ConfigResourceType.TOPIC, name)])
    return _values([entry for entry in found.get(name, []) if entry[3] == _SET_ON_THE_TOPIC])


async def _entries(
    admin: AIOKafkaAdminClient, resources: Sequence[ConfigResource]
) -> dict[str, list[Any]]:
    """(name, value, read only, where from, ...) for each configuration of each resource."""
    found: dict[str, list[Any]] = {}
    for response in await admin.describe_configs(resources) if resources else []:
        for code, _, _, name, entries in response.resources:
            found |= {name: entries} if code == _NO_ERROR else {}
    return found


def _values(entries: Iterable[Any]) -> dict[str, str]:
    return {entry[0]: entry[1] for entry in entries if entry[1] is not None}


async def _alter(
    admin: AIOKafkaAdminClient, settings: StreamSettings, name: str, configs: Mapping[str, str]
) -> None:
    resource = ConfigResource(ConfigResourceType.TOPIC, name, dict(configs))
    for response in await admin.alter_configs([resource]):
        for code, message, *_ in response.resources:
            if code != _NO_ERROR:
                detail = message or for_code(code).__name__
                raise BrokerUnavailableError(settings.broker.url, f"cannot alter {name}: {detail}")


async def _wait_until_listed(admin: AIOKafkaAdminClient, names: set[str]) -> None:
    """Kafka answers before its brokers know; who asks them meanwhile hears of no such topic."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LISTED_S):
            while not names <= set(await admin.list_topics()):  # noqa: ASYNC110  # nothing tells us
                await asyncio.sleep(0.05)


def _created(settings: StreamSettings, answers: Iterable[Any]) -> list[str]:
    names = []
    for name, code, *message in answers:
        if code == _NO_ERROR:
            names.append(name)
        elif code != TopicAlreadyExistsError.errno:
            detail = (message[0] if message else "") or for_code(code).__name__
            raise BrokerUnavailableError(settings.broker.url, f"cannot create {name}: {detail}")
    return names


class Admin:
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
