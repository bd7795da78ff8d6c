"""A stretch of one partition's log, read again in batches."""

from collections.abc import AsyncIterator
from typing import Any

from aiokafka import TopicPartition

from streams.batch import Message, RecordBatch
from streams.connection import bare_name, new_consumer
from streams.settings import StreamSettings


def message_of(settings: StreamSettings, record: Any) -> Message:
    """A consumer record of aiokafka as ours."""
    return Message(
        bare_name(settings, record.topic),
        record.partition,
        record.offset,
        record.timestamp * 1000,
        record.key,
        record.value,
        record.headers,
    )


async def replayed(
    settings: StreamSettings, source: Any, start: int, end: int
) -> AsyncIterator[RecordBatch]:
    """Committed records of [start, end); ``source`` has a topic, with prefix, and a partition."""
    if start >= end:
        return
    tp = TopicPartition(source.topic, source.partition)
    topic = bare_name(settings, source.topic)
    async with new_consumer(settings) as consumer:
        consumer.assign([tp])
        consumer.seek(tp, start)
        while start < end:
            found = await consumer.getmany(tp, timeout_ms=500)
            messages = [message_of(settings, record) for record in found.get(tp, ())]
            following = await consumer.position(tp)
            if following > start:
                inside = [message for message in messages if message.offset < end]
                yield RecordBatch(topic, tp.partition, start, min(following, end), inside)
            start = following
