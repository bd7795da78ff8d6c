"""INGEST: requests, engine, gpu and changes in; partials, dead letters, quality and marks out."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from aiokafka import TopicPartition

from streams import metrics
from streams.batched import App, Message, RecordBatch
from streams.codec import decode_record
from streams.connection import full_name, new_consumer
from streams.inputs import inputs, state_partition
from streams.intake import STATE_TOPIC, Ingest
from streams.log_stage import attach_log_stage
from streams.maps.reading import MapDecoder
from streams.maps.registry import teach
from streams.replay import message_of
from streams.restoring import not_behind
from streams.schemas.system import FrameMark, Quality, SourceMark
from streams.settings import StreamSettings
from streams.stage import Out
from streams.work import Shown

STAGE: Final = "ingest"
Stored = Callable[[], AsyncIterator[Message]]
"""Reads the partition of ``state.ingest`` that holds the marks of a source partition."""


class IngestHandler:
    """``Ingest`` on one owned partition: a ``LogHandler``."""

    def __init__(
        self, topic: str, partition: int, settings: StreamSettings, *, stored: Stored
    ) -> None:
        self._key = f"{topic}/{partition}"
        self._ingest = Ingest(topic, partition, settings)
        self._registry = settings.registry
        self._stored = stored
        self._transactional = settings.broker.delivery == "exactly_once"
        self._marked = 0
        """Where the step of the newest mark ended; written together with the group's offset."""

    async def restore(self, replay: AsyncIterator[RecordBatch]) -> None:  # noqa: ARG002 -- empty
        """The marks of the last committed step; the raw log itself is not read again."""
        newest: dict[str, bytes] = {}
        async for message in self._stored():
            key = (message.key or b"").decode(errors="replace")
            if key == self._key or key.startswith(f"{self._key}/"):
                newest.pop(key, None)  # The oldest mark comes first.
                if message.value is not None:
                    newest[key] = message.value
        source = newest.pop(self._key, None)
        if source is not None:
            mark = decode_record(source, SourceMark)
            self._ingest.resume(mark)
            self._marked = mark.next_offset
        for value in newest.values():
            self._ingest.remember(decode_record(value, FrameMark))

    async def handle(self, batch: RecordBatch) -> Sequence[Out]:
        self._require_news(batch.start)
        if isinstance(self._ingest.decoder, MapDecoder):
            await teach(self._ingest.decoder.format, self._registry, batch.records.values)
        out = self._ingest.step(batch)
        counts = self._ingest.newest
        if counts is not None:
            metrics.LATE.labels(STAGE).inc(counts.late)
            metrics.DEAD_LETTERS.labels(STAGE).inc(counts.dead + counts.far_future)
            metrics.DUPLICATES.labels(STAGE).inc(counts.duplicate_frames)
        return self._shown(out)

    async def idle(self, position: int, clock_us: int) -> Sequence[Out]:
        self._require_news(position)
        return self._shown(self._ingest.idle(position, clock_us))

    def _require_news(self, start: int) -> None:
        """Nothing that was written is written again, whatever the group's offset says.

        Without transactions what was read may be not written: there it is read again.
        """
        if self._transactional:
            not_behind(self._key, start, self._marked)

    def _shown(self, out: Sequence[Out]) -> Sequence[Out]:
        """The same, after a look at what it says of senders."""
        for each in out:
            if isinstance(each.value, Quality) and each.value.origins:
                origins = each.value.origins
                metrics.LOST_FRAMES.labels(STAGE, self._key).set(sum(origins.lost_frames))
                doubtful = sum(one.doubtful for one in origins.doubtful)
                metrics.DOUBTFUL.labels(STAGE, self._key).set(doubtful)
        return out

    def shown(self) -> Shown:
        return Shown(watermark_us=self._ingest.watermark_us)


def attach(app: App, settings: StreamSettings) -> None:
    """Make ``app`` the INGEST stage."""

    def handler(topic: str, partition: int) -> IngestHandler:
        return IngestHandler(
            topic,
            partition,
            settings,
            stored=lambda: stored_marks(settings, state_partition(topic, partition, settings)),
        )

    attach_log_stage(
        app,
        stage=STAGE,
        topics=inputs(settings),
        handler=handler,
        min_interval_s=settings.windows.commit_interval_s,
    )


async def stored_marks(settings: StreamSettings, partition: int) -> AsyncIterator[Message]:
    """All of one partition of ``state.ingest``, from its beginning to its end.

    Several sources write there: a transaction that one of them has open hides what another has
    committed behind it. So it is read to the end that open ones count in, which waits for them.
    """
    tp = TopicPartition(full_name(settings, STATE_TOPIC), partition)
    async with new_consumer(settings, isolation_level="read_uncommitted") as asking:
        end = (await asking.end_offsets([tp]))[tp]
    async with new_consumer(settings) as consumer:
        consumer.assign([tp])
        await consumer.seek_to_beginning(tp)
        # Not until nothing comes: the other sources go on writing. The embedded broker names the
        # end too low, but its last batch comes as a whole.
        while await consumer.position(tp) < end:
            for record in (await consumer.getmany(tp, timeout_ms=500)).get(tp, ()):
                yield message_of(settings, record)
