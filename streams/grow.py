"""More partitions for a raw topic while all runs, without one record lost or late for it."""

import asyncio
from collections.abc import Mapping
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from streams.admin import Admin, partition_counts
from streams.connection import full_name, wait_for_broker
from streams.controls import announced
from streams.errors import InvalidParameterError
from streams.inputs import INPUTS
from streams.intake import STATE_TOPIC
from streams.publisher import Publisher
from streams.settings import StreamSettings

LISTED_S: Final = 10.0
MAX_PARTITIONS: Final = 1_024


async def add_partitions(settings: StreamSettings, topic: str, total: int) -> int:
    """Let ``topic`` (without prefix) have ``total`` partitions; returns how many were added.

    First the new partitions are announced to every shard, then they are made: a window that could
    hold one of their records waits for them. May be run again after any error.

    Raises InvalidParameterError for what cannot grow, BrokerUnavailableError if the broker refuses.
    """
    if topic not in INPUTS:
        raise InvalidParameterError("topic", topic, f"one of {', '.join(INPUTS)}")
    await wait_for_broker(settings)
    async with Admin(settings) as admin:
        has = await partition_counts(admin, settings)
        _check(has, topic, total)
        wanted = _missing(settings, {STATE_TOPIC: has[STATE_TOPIC]}, total)
        if wanted:
            await admin.create_partitions(wanted)
        wanted = _missing(settings, {topic: has[topic]}, total)
        if not wanted:
            return 0
        await admin.create_partitions(wanted, validate_only=True)
        await _announce(settings, topic, range(has[topic], total), shards=has["partials"])
        await admin.create_partitions(wanted)
        await _wait_until_listed(admin, settings, topic, total)
    return total - has[topic]


def _check(has: Mapping[str, int], topic: str, total: int) -> None:
    absent = sorted({topic, STATE_TOPIC, "partials"} - has.keys())
    if absent:
        raise InvalidParameterError("topic", absent[0], "there: run `tidegate topics create` first")
    if not has[topic] <= total <= MAX_PARTITIONS:
        allowed = f"from {has[topic]}, as many as there are, to {MAX_PARTITIONS}"
        raise InvalidParameterError(f"partitions of {topic}", total, allowed)


def _missing(
    settings: StreamSettings, has: Mapping[str, int], total: int
) -> dict[str, NewPartitions]:
    return {
        full_name(settings, topic): NewPartitions(total)
        for topic, count in has.items()
        if count < total
    }


async def _announce(
    settings: StreamSettings, topic: str, partitions: range, *, shards: int
) -> None:
    sources = [(topic, number) for number in partitions]
    async with Publisher(settings) as publisher:
        await publisher.send(*announced(sources, shards=shards))
    # Another broker, whose clock is behind by so much, may stamp the first records.
    await asyncio.sleep(settings.windows.max_clock_error_s)


async def _wait_until_listed(
    admin: AIOKafkaAdminClient, settings: StreamSettings, topic: str, total: int
) -> None:
    async with asyncio.timeout(LISTED_S):
        while (await partition_counts(admin, settings)).get(topic, 0) < total:  # noqa: ASYNC110  # nothing tells us
            await asyncio.sleep(0.05)
