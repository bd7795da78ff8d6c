"""Outputs and the position they came from, written together; atomically where possible.

``Atomic`` uses the transactions of Kafka. ``Ordered`` is for brokers that have none: it
writes the outputs, then the offset, and so repeats outputs after a crash.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from streams.connection import full_name, new_producer
from streams.settings import StreamSettings
from streams.stage import Out
from streams.vitals import Producer

CLOSE_S: Final = 2.0
"""How long to wait for a producer to say goodbye."""


class Transaction(Protocol):
    """Writes for the one owner of one partition; after any error it is of no use any more."""

    async def open(self) -> None:
        """Become the only one who can write for this partition; settles what came before."""
        ...

    async def commit(self, out: Sequence[Out], offset: int | None = None) -> None:
        """Write ``out``, and ``offset`` as the group's; an error means: outcome unknown."""
        ...

    async def close(self) -> None: ...


class Atomic:
    """Everything in one Kafka transaction.

    source: the partition whose offset is committed, ``group``: for whom.
    told: hears who writes under the id once it is open, and None when nobody does any more.
    """

    def __init__(
        self,
        settings: StreamSettings,
        transactional_id: str,
        *,
        source: TopicPartition,
        group: str,
        told: Callable[[str, Producer | None], None],
    ) -> None:
        self._settings = settings
        self._id = transactional_id
        self._source = source
        self._group = group
        self._told = told
        self._producer: AIOKafkaProducer | None = None

    async def open(self) -> None:
        # Readers wait for an open transaction of a dead owner until its successor, who comes after
        # a session timeout, or else this timeout settles it. Shorter fences slow living owners.
        timeout_ms = int(self._settings.broker.session_timeout_s * 1000)
        self._producer = new_producer(
            self._settings, transactional_id=self._id, transaction_timeout_ms=timeout_ms
        )
        await self._producer.start()
        known = self._producer._txn_manager  # noqa: SLF001  # there is no public way to ask
        self._told(self._id, Producer(known.producer_id, known.producer_epoch))

    async def commit(self, out: Sequence[Out], offset: int | None = None) -> None:
        producer = _opened(self._producer)
        messages = [encoded(self._settings, each) for each in out]
        await producer.begin_transaction()
        written = await _sent(producer, messages)
        if offset is not None:
            await producer.send_offsets_to_transaction({self._source: offset}, self._group)
        await asyncio.gather(*written)
        await producer.commit_transaction()

    async def close(self) -> None:
        await stopped(self._producer)
        self._told(self._id, None)


class Ordered:
    """Outputs first, then the offset through ``commit_offset``: at least once."""

    def __init__(
        self, settings: StreamSettings, commit_offset: Callable[[int], Awaitable[None]]
    ) -> None:
        self._settings = settings
        self._commit_offset = commit_offset
        self._producer: AIOKafkaProducer | None = None

    async def open(self) -> None:
        self._producer = new_producer(self._settings)
        await self._producer.start()

    async def commit(self, out: Sequence[Out], offset: int | None = None) -> None:
        producer = _opened(self._producer)
        messages = [encoded(self._settings, each) for each in out]
        await asyncio.gather(*await _sent(producer, messages))
        if offset is not None:
            await self._commit_offset(offset)

    async def close(self) -> None:
        await stopped(self._producer)


def transactional_id(settings: StreamSettings, stage: str, topic: str, partition: int) -> str:
    """The same for every worker, so that a new owner of the partition fences the old one."""
    return f"{settings.topics.prefix}{stage}.{topic}.{partition}"


def encoded(settings: StreamSettings, out: Out) -> dict[str, Any]:
    """What aiokafka's ``send`` takes."""
    return {
        "topic": full_name(settings, out.topic),
        "key": out.key.encode(),
        "value": out.payload,
        "partition": out.partition,
    }


async def stopped(producer: AIOKafkaProducer | None) -> None:
    """Stop a producer, whatever state it is in; a broker that is gone must not hold us."""
    if producer is not None:
        with suppress(KafkaError, TimeoutError, OSError):
            await asyncio.wait_for(producer.stop(), CLOSE_S)


async def _sent(
    producer: AIOKafkaProducer, messages: Sequence[dict[str, Any]]
) -> list[asyncio.Future[object]]:
    written: list[asyncio.Future[object]] = []
    for message in messages:
        future = await producer.send(**message)
        # One error may end them all, and nobody will ask the others about theirs.
        future.add_done_callback(_asked)
        written.append(future)
    return written


def _asked(future: asyncio.Future[object]) -> None:
    if not future.cancelled():
        future.exception()


def _opened(producer: AIOKafkaProducer | None) -> AIOKafkaProducer:
    if producer is None:
        raise KafkaError("commit before open")
    return producer
