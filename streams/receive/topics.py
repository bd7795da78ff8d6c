"""Topics of OTLP metrics, read as if each message had been posted: totals need a memory."""

import asyncio
from typing import Final

from streams.errors import CorruptMessageError
from streams.log import get_logger
from streams.metrics import DOOR_REFUSED
from streams.reader import TopicReader
from streams.receive.inlet import Inlet, count_items
from streams.receive.otlp import Encoding, Otlp
from streams.settings import StreamSettings

DOOR: Final = "otlp_topic"

log = get_logger(__name__)


async def follow(stream: StreamSettings, otlp: Otlp, inlet: Inlet) -> None:
    """From the topics' ends on, until cancelled. Raises BrokerUnavailableError.

    Nobody waits for an answer, so nothing is skipped while there is no room.
    """
    topics = [f"/{name}" for name in stream.receive.metric_topics]
    async with TopicReader(stream, topics, start="latest") as reader:
        async for messages in reader.batches():
            for message in messages:
                await inlet.room.wait()
                await take(message.value or b"", otlp, inlet)


async def take(value: bytes, otlp: Otlp, inlet: Inlet) -> None:
    """One message, protobuf or JSON; what is wrong with it is counted."""
    encoding: Encoding = "json" if value[:1] == b"{" else "proto"
    try:
        read = await asyncio.to_thread(otlp.metrics, value, encoding)
    except CorruptMessageError as exc:
        DOOR_REFUSED.labels(DOOR, "corrupt").inc()
        log.warning("message_unreadable", door=DOOR, cause=str(exc))
        return
    count_items(DOOR, len(read.points) + read.ignored, read.ignored, inlet.take_points(read.points))
