"""Topics read as a whole, without a group: for views, states and everything that only looks."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from types import TracebackType
from typing import Final, Literal, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.batch import Message
from streams.connection import PATIENCE_S, bare_name, full_name, new_consumer, wait_for_broker
from streams.errors import BrokerUnavailableError
from streams.log import get_logger
from streams.replay import message_of
from streams.retry import Attempts
from streams.settings import StreamSettings

log = get_logger(__name__)

POLL_S: Final = 1.0
MAX_RECORDS: Final = 5_000
NEW_PARTITIONS_S: Final = 10.0

Source = tuple[str, int]
"""Topic, without prefix, and partition."""


class TopicReader:
    """All partitions of some topics (names without prefix), committed records unless told so.

    start: where to begin. ``since_us`` instead: at the first record stamped then or later;
    ``positions``: at these offsets, where one is given and the log still has it.
    ``caught_up`` is set with the batch that completes what was there at the start.
    """

    def __init__(  # noqa: PLR0913  # where to begin can be said in several ways
        self,
        settings: StreamSettings,
        topics: Sequence[str],
        *,
        start: Literal["earliest", "latest"] = "earliest",
        since_us: int | None = None,
        positions: Mapping[Source, int] | None = None,
        isolation_level: Literal["read_committed", "read_uncommitted"] = "read_committed",
    ) -> None:
        self.caught_up = asyncio.Event()
        self._settings = settings
        self._topics = [full_name(settings, topic) for topic in topics]
        self._start = start
        self._since_us = since_us
        self._positions = positions or {}
        self._isolation_level = isolation_level
        self._consumer: AIOKafkaConsumer | None = None
        self._ends: dict[TopicPartition, int] = {}
        self._uncommitted: AIOKafkaConsumer | None = None
        self._attempts = Attempts()
        self._looked_at = 0.0

    async def __aenter__(self) -> Self:
        """Raises BrokerUnavailableError if the broker or a topic is not there within 20 s."""
        await wait_for_broker(self._settings, self._topics)
        self._consumer = new_consumer(
            self._settings, max_poll_records=MAX_RECORDS, isolation_level=self._isolation_level
        )
        try:
            await self._consumer.start()
            found = await self._wait_for_partitions(self._consumer)
            await self._assign_at_start(self._consumer, found)
            await self._check_caught_up(self._consumer)
        except BaseException:
            await self._consumer.stop()
            raise
        self._looked_at = asyncio.get_running_loop().time()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for consumer in (self._consumer, self._uncommitted):
            if consumer is not None:
                await consumer.stop()

    async def batches(self) -> AsyncIterator[list[Message]]:
        """Without end; a batch holds records of several partitions, each partition's in order."""
        while True:
            messages = await self.poll(POLL_S)
            if messages:
                yield messages

    async def poll(self, timeout_s: float) -> list[Message]:
        """What has come, after ``timeout_s`` at the latest; may be nothing."""
        consumer = self._opened()
        try:
            found = await consumer.getmany(timeout_ms=int(timeout_s * 1000))
            await self._check_caught_up(consumer)
            await self._look_for_partitions(consumer)
            self._attempts.succeeded()
        except KafkaError as exc:
            log.warning("read_failed", topics=self._topics, error=str(exc))
            await self._attempts.pause()
            return []
        return [
            message_of(self._settings, record) for records in found.values() for record in records
        ]

    async def lags(self) -> dict[str, int]:
        """Topic -> how many messages of it have not been handed out; raises KafkaError."""
        consumer = self._opened()
        lags = dict.fromkeys((bare_name(self._settings, topic) for topic in self._topics), 0)
        for tp, end in (await consumer.end_offsets(list(consumer.assignment()))).items():
            # The embedded broker's answer is too low, what came with the last fetch is right.
            end = max(end, consumer.highwater(tp) or 0)  # noqa: PLW2901
            lags[self._source(tp)[0]] += max(0, end - await consumer.position(tp))
        return lags

    @property
    def sources(self) -> set[Source]:
        """Everything it reads."""
        return {self._source(tp) for tp in self._opened().assignment()}

    @property
    def behind(self) -> set[Source]:
        """Partitions of which not everything has been handed out that was there at the start.

        Or at the last ``look_at_ends``.
        """
        return {self._source(tp) for tp in self._ends}

    async def look_at_ends(self, topics: Collection[str]) -> None:
        """``behind`` counts what these hold by now, also what is not committed yet."""
        names = {full_name(self._settings, topic) for topic in topics}
        consumer = self._opened()
        mine = [tp for tp in consumer.assignment() if tp.topic in names]
        while mine:
            try:
                self._ends |= await (await self._asking()).end_offsets(mine)
                break
            except KafkaError as exc:
                log.warning("ends_unknown", topics=sorted(names), error=str(exc))
                await self._attempts.pause()
        await self._check_caught_up(consumer)

    async def _asking(self) -> AIOKafkaConsumer:
        """A client that sees open transactions; ours is told where the first one begins."""
        if self._uncommitted is None:
            asking = new_consumer(self._settings, isolation_level="read_uncommitted")
            try:
                await asking.start()
            except KafkaError:
                await asking.stop()
                raise
            self._uncommitted = asking
        return self._uncommitted

    def hold(self, sources: Collection[Source]) -> None:
        """Read these no further for now, and all others again."""
        consumer = self._opened()
        for tp in consumer.assignment():
            held = self._source(tp) in sources
            if held != (tp in consumer.paused()):
                (consumer.pause if held else consumer.resume)(tp)

    async def go_to(self, since_us: int) -> None:
        """Read on from the first record stamped then or later; where there is none, stay."""
        consumer = self._opened()
        starts = await _first_since(consumer, consumer.assignment(), since_us)
        for tp, offset in starts.items():
            consumer.seek(tp, offset)

    def _source(self, tp: TopicPartition) -> Source:
        return bare_name(self._settings, tp.topic), tp.partition

    def _opened(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise BrokerUnavailableError(self._settings.broker.url, "the reader is not open")
        return self._consumer

    def _partitions(self, consumer: AIOKafkaConsumer) -> set[TopicPartition]:
        return {
            TopicPartition(topic, partition)
            for topic in self._topics
            for partition in consumer.partitions_for_topic(topic) or ()
        }

    async def _wait_for_partitions(self, consumer: AIOKafkaConsumer) -> set[TopicPartition]:
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            # Connecting brings no topics, and what `topics()` asks for, aiokafka forgets again.
            await consumer._client.force_metadata_update()  # noqa: SLF001
            found = self._partitions(consumer)
            missing = set(self._topics) - {tp.topic for tp in found}
            if not missing:
                return found
            if asyncio.get_running_loop().time() > deadline:
                names = ", ".join(sorted(missing))
                raise BrokerUnavailableError(self._settings.broker.url, f"no topic {names}")
            await asyncio.sleep(0.25)

    async def _assign_at_start(
        self, consumer: AIOKafkaConsumer, found: set[TopicPartition]
    ) -> None:
        begins = await consumer.beginning_offsets(list(found))
        self._ends = await consumer.end_offsets(list(found))
        starts = self._ends if self._start == "latest" else begins
        if self._since_us is not None:
            starts = self._ends | await _first_since(consumer, found, self._since_us)
        # Not sooner: what is asked behind a fetch that waits for records waits as long.
        consumer.assign(found)
        for tp in found:
            kept = self._positions.get(self._source(tp))
            if kept is not None and kept < begins[tp]:
                log.warning("records_expired", topic=tp.topic, kept=kept, begin=begins[tp])
                kept = begins[tp]
            consumer.seek(tp, starts.get(tp, self._ends[tp]) if kept is None else kept)

    async def _check_caught_up(self, consumer: AIOKafkaConsumer) -> None:
        for tp, end in list(self._ends.items()):
            if await consumer.position(tp) >= end:
                del self._ends[tp]
        if not self._ends:
            self.caught_up.set()

    async def _look_for_partitions(self, consumer: AIOKafkaConsumer) -> None:
        """Raw topics may grow."""
        now = asyncio.get_running_loop().time()
        if now - self._looked_at < NEW_PARTITIONS_S:
            return
        self._looked_at = now
        known = set(consumer.assignment())
        new = self._partitions(consumer) - known
        if not new:
            return
        log.info("partitions_added", partitions=len(new))
        # assign() forgets positions and pauses: carry the positions over.
        positions = {tp: await consumer.position(tp) for tp in known}
        consumer.assign(known | new)
        for tp in known | new:
            consumer.seek(tp, positions.get(tp, 0))


async def _first_since(
    consumer: AIOKafkaConsumer, found: Collection[TopicPartition], since_us: int
) -> dict[TopicPartition, int]:
    """Offsets, of the partitions that have a record stamped then or later."""
    stamp_ms = -(-since_us // 1000)
    times = await consumer.offsets_for_times(dict.fromkeys(found, stamp_ms))
    return {tp: at.offset for tp, at in times.items() if at}
