"""Partitions as the broker gives them in, one order for all messages out: that of their stamps.

What two readers make of the same topics must be the same: by stamp, then topic, partition, offset.
Where the stamps of a partition go back, the newest so far counts: its own order is never changed.
"""

import heapq
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.batch import Message
from streams.connection import full_name, new_consumer, wait_for_broker
from streams.errors import BrokerUnavailableError
from streams.replay import message_of
from streams.settings import StreamSettings

Source = tuple[str, int]
"""Topic, without prefix, and partition."""

CROWD: Final = 20_000
"""Messages of a partition that wait for those of others; then it is not read for a while."""
POLL_MS: Final = 500


class Ordering:
    """Holds messages until nothing older can come from any source that is still open."""

    def __init__(self, sources: Collection[Source]) -> None:
        self._open = set(sources)
        self._held: list[tuple[int, Source, int, Message]] = []
        self._count: Counter[Source] = Counter()
        self._newest_us: Counter[Source] = Counter()

    def add(self, message: Message) -> None:
        """In the order of its partition."""
        source = (message.topic, message.partition)
        at_us = self._newest_us[source] = max(self._newest_us[source], message.timestamp_us)
        self._count[source] += 1
        heapq.heappush(self._held, (at_us, source, message.offset, message))

    def close(self, source: Source) -> None:
        """Nothing more will come of it."""
        self._open.discard(source)

    @property
    def is_open(self) -> bool:
        return bool(self._open)

    def ready(self) -> Iterator[Message]:
        """What can be given out now."""
        waiting = {source for source in self._open if not self._count[source]}
        while self._held and not waiting:
            _, source, _, message = heapq.heappop(self._held)
            self._count[source] -= 1
            if source in self._open and not self._count[source]:
                waiting.add(source)
            yield message

    def crowded(self) -> set[Source]:
        return {source for source, count in self._count.items() if count >= CROWD}


async def read_ordered(
    settings: StreamSettings, topics: Sequence[str], *, from_us: int = 0
) -> AsyncIterator[Message]:
    """What these topics (names without prefix) hold by now and was stamped ``from_us`` or later.

    Raises BrokerUnavailableError if the broker does not answer or has none of the topics.
    """
    await wait_for_broker(settings)
    async with new_consumer(settings) as consumer:
        names = {full_name(settings, topic): topic for topic in topics}
        found = await _partitions(consumer, names)
        if not found:
            raise BrokerUnavailableError(settings.broker.url, f"no topic {', '.join(names)}")
        consumer.assign(found)
        ends = await consumer.end_offsets(found)
        await _seek(consumer, found, from_us)
        source_of = {tp: (names[tp.topic], tp.partition) for tp in found}
        ordering = Ordering(source_of.values())
        while True:
            for tp in found:
                if await consumer.position(tp) >= ends[tp]:
                    ordering.close(source_of[tp])
            for message in ordering.ready():
                yield message
            if not ordering.is_open:
                return
            _hold(consumer, {tp for tp in found if source_of[tp] in ordering.crowded()})
            for tp, records in (await consumer.getmany(timeout_ms=POLL_MS)).items():
                for record in records:
                    if record.offset < ends[tp]:
                        ordering.add(message_of(settings, record))


async def _partitions(consumer: AIOKafkaConsumer, names: Collection[str]) -> list[TopicPartition]:
    await consumer.topics()
    return [
        TopicPartition(name, partition)
        for name in names
        for partition in sorted(consumer.partitions_for_topic(name) or ())
    ]


async def _seek(consumer: AIOKafkaConsumer, found: list[TopicPartition], from_us: int) -> None:
    begins = await consumer.beginning_offsets(found)
    times = await consumer.offsets_for_times(dict.fromkeys(found, -(-from_us // 1000)))
    ends = await consumer.end_offsets(found)
    for tp in found:
        at = times.get(tp)
        consumer.seek(tp, (at.offset if at else ends[tp]) if from_us else begins[tp])


def _hold(consumer: AIOKafkaConsumer, crowded: Collection[TopicPartition]) -> None:
    for tp in consumer.assignment():
        if (tp in crowded) != (tp in consumer.paused()):
            (consumer.pause if tp in crowded else consumer.resume)(tp)
