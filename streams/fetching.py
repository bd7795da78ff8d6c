"""The thread that fetches: one batch per partition, and only where one is wanted.

Written against the internals of faust-streaming 0.15.3 and aiokafka 0.14.0.
"""
# ruff: noqa: SLF001  # neither library has a public door to a batch and its exact interval

import asyncio
import logging
from operator import attrgetter
from typing import Any, Final

import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException, KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.batch import RecordBatch, Records
from streams.connection import bare_name, client_options, fetch_wait_ms
from streams.log import get_logger

log = get_logger(__name__)

HEARTBEAT_S: Final = 1.0
NEVER_MS: Final = 2_000_000_000
HELD_WAIT_MS: Final = 20
"""How long a fetch may wait at the broker while answers to others wait to be taken."""
HELD_S: Final = 1.0
"""How long that goes on after the last such answer."""
FAUST_LOGGER: Final = logging.getLogger("faust.tidegate")
"""Faust's services log under the module of their class; ours are to be as quiet as its own."""

_LOG_APPEND_TIME: Final = 1
_NONE: Final = np.zeros(0, np.int64)
_KEY, _VALUE, _OFFSET, _TIMESTAMP = map(attrgetter, ("key", "value", "offset", "timestamp"))


class Patience:
    """How long a fetch may wait at the broker if there is nothing yet.

    While a fetch waits for other partitions, aiokafka asks for none that has been taken meanwhile.
    """

    def __init__(self, longest_ms: int) -> None:
        self._longest_ms = longest_ms
        self._held_at_s = -HELD_S

    def wait_ms(self, *, held: bool, now_s: float) -> int:
        """``held``: an answer waits to be taken, and so does its partition to be asked for."""
        if held:
            self._held_at_s = now_s
        recently = now_s - self._held_at_s < HELD_S
        return min(HELD_WAIT_MS, self._longest_ms) if recently else self._longest_ms


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Runs in a thread and loop of its own; ``wants`` is written by the main thread."""

    app: Any
    logger = FAUST_LOGGER

    def __post_init__(self) -> None:
        super().__post_init__()
        self.wants: dict[TP, int] = {}
        self._patience = Patience(fetch_wait_ms(self.app.settings.broker))

    def wake(self) -> None:
        """From any thread: look again for what is wanted."""
        self.thread_loop.call_soon_threadsafe(self._notify)

    def _notify(self) -> None:
        if self._consumer is not None and self._consumer._fetcher is not None:
            fetcher = self._consumer._fetcher
            for waiter in tuple(fetcher._fetch_waiters):
                fetcher._notify(waiter)

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:  # noqa: ARG002
        app = self.app
        session_ms = int(app.settings.broker.session_timeout_s * 1000)
        options = client_options(app.settings.broker)
        options["request_timeout_ms"] = max(options["request_timeout_ms"], 2 * session_ms)
        # Not among the arguments below: whatever could commit or move positions on its own.
        return AIOKafkaConsumer(
            **options,
            group_id=app.conf.id,
            partition_assignment_strategy=[StickyPartitionAssignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            # A new position is fetched only after the fetch under way has been answered.
            fetch_max_wait_ms=fetch_wait_ms(app.settings.broker),
            max_partition_fetch_bytes=max(1_048_576, app.settings.topics.max_message_bytes),
            max_poll_interval_ms=NEVER_MS,
            session_timeout_ms=session_ms,
            rebalance_timeout_ms=session_ms,
            heartbeat_interval_ms=int(HEARTBEAT_S * 1000),
        )

    async def _fetch_records(
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109  # Faust's signature
        max_records: int | None = None,  # noqa: ARG002  # Faust's signature
    ) -> dict[TP, list[RecordBatch]]:
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        deadline = self.thread_loop.time() + (timeout or 0.0)
        with fetcher._subscriptions.fetch_context():
            while self.consumer.flow_active:
                # The set belongs to the main thread and changes under us: a copy, each time.
                taken = {tp: self._take(consumer, tp) for tp in tuple(active_partitions)}
                found = {tp: [batch] for tp, batch in taken.items() if batch is not None}
                self._keep_fetching(fetcher)
                left_s = deadline - self.thread_loop.time()
                if found or left_s <= 0:
                    return found
                waiter = fetcher._create_fetch_waiter()
                await asyncio.wait([waiter], timeout=left_s)
                waiter.cancel()
        return {}

    def _keep_fetching(self, fetcher: Any) -> None:
        """While answers wait to be taken, ask on for what else there is.

        By default aiokafka then asks for nothing for 0.1 s.
        """
        # Not 0: what is wanted is taken at once, and is to be in the request that follows.
        fetcher._prefetch_backoff = HELD_WAIT_MS / 1000
        held, now = bool(fetcher._records), self.thread_loop.time()
        fetcher._fetch_max_wait_ms = self._patience.wait_ms(held=held, now_s=now)

    def _take(self, consumer: AIOKafkaConsumer, tp: TP) -> RecordBatch | None:
        """What was fetched of this partition, if it is wanted and starts where it is wanted."""
        subscription = consumer._subscription.subscription
        if subscription is None or subscription._reassignment_in_progress:
            return None
        state = subscription.assignment.state_value(tp) if subscription.assignment else None
        if state is None:
            return None
        if tp.topic in self.app.unread:
            state.pause()
        start = self.wants.get(tp)
        if start is None:
            return None
        if not state.has_valid_position or state.position != start:
            state.seek(start)
            self._discard(consumer, tp)
            return None
        return self._drain(consumer, tp, start)

    def _drain(self, consumer: AIOKafkaConsumer, tp: TP, start: int) -> RecordBatch | None:
        result = consumer._fetcher._records.get(tp)
        if result is None:
            return None
        if not isinstance(result, FetchResult):
            self._discard(consumer, tp)
            log.error("fetch_failed", partition=tp.partition, topic=tp.topic, error=result._error)
            return None
        if not result.check_assignment(tp):
            self._discard(consumer, tp)
            return None
        topic = bare_name(self.app.settings, tp.topic)
        try:
            records = unpacked(result._partition_records, topic, tp.partition)
        except KafkaError as exc:
            self._discard(consumer, tp)
            log.error("records_unreadable", topic=topic, partition=tp.partition, cause=str(exc))  # noqa: TRY400
            return None
        result._update_position()
        self._discard(consumer, tp)
        self.wants.pop(tp, None)
        following = result._partition_records.next_fetch_offset
        return RecordBatch(topic, tp.partition, start, following, records)

    def _discard(self, consumer: AIOKafkaConsumer, tp: TP) -> None:
        fetcher = consumer._fetcher
        if fetcher._records.pop(tp, None) is not None:
            fetcher._notify(fetcher._wait_consume_future)

    @property
    def member_id(self) -> str:
        return str(self._consumer._coordinator.member_id) if self._consumer is not None else ""

    def known_end(self, tp: TP) -> int:
        """From any thread; ListOffsets of the embedded broker names the end too low, this is it."""
        subscription = self._consumer and self._consumer._subscription.subscription
        if subscription is None or subscription.assignment is None:
            return 0
        state = subscription.assignment.state_value(tp)
        return (state.highwater or 0) if state is not None else 0

    async def is_member(self) -> bool:
        """Whether the group's coordinator counts us in, asked now."""
        consumer = self._ensure_consumer()
        coordinator, subscription = consumer._coordinator, consumer._subscription.subscription
        if subscription is None or coordinator.need_rejoin(subscription):
            return False
        alive = bool(await coordinator._do_heartbeat())
        return alive and not coordinator.need_rejoin(subscription)

    async def committed(self, tp: TP) -> int | None:
        partition = TopicPartition(tp.topic, tp.partition)
        found = await self._ensure_consumer()._coordinator.fetch_committed_offsets([partition])
        return found[partition].offset if partition in found else None

    async def commit_offset(self, tp: TP, offset: int) -> None:
        await self._ensure_consumer().commit({TopicPartition(tp.topic, tp.partition): offset})


def unpacked(records: Any, topic: str, partition: int) -> Records:
    """All committed records of one partition's fetch answer, as columns.

    aiokafka's own loop makes a consumer record of each (1 µs); this reads its batches directly.
    """
    parts = [Records(topic, partition, _NONE, _NONE, (), ())]
    while records._records.has_next():
        batch = records._records.next_batch()
        if records._check_crcs and not batch.validate_crc():
            raise CorruptRecordException(f"invalid checksum in {topic}/{partition}")
        if not _aborted_or_control(records, batch):
            parts.append(_part(batch, records.next_fetch_offset, topic, partition))
        records.next_fetch_offset = batch.next_offset
    return Records.joined(parts)


def _part(batch: Any, start: int, topic: str, partition: int) -> Records:
    """The records of one batch from offset ``start`` on."""
    found = list(batch)
    if batch.base_offset < start:
        # A fetch into the middle of a compressed batch brings the whole of it.
        found = [record for record in found if record.offset >= start]
    count = len(found)
    offsets = np.arange(batch.next_offset - count, batch.next_offset)
    if count and found[0].offset != offsets[0]:  # Compaction took some out.
        offsets = np.fromiter(map(_OFFSET, found), np.int64, count)
    if batch.timestamp_type == _LOG_APPEND_TIME:
        stamps = np.full(count, batch.max_timestamp * 1000)
    else:
        stamps = np.fromiter(map(_TIMESTAMP, found), np.int64, count) * 1000
    keys, values = list(map(_KEY, found)), list(map(_VALUE, found))
    return Records(topic, partition, offsets, stamps, keys, values)


def _aborted_or_control(records: Any, batch: Any) -> bool:
    if records._isolation_level == READ_COMMITTED and batch.producer_id is not None:
        records._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch and records._contains_abort_marker(batch):
            records._aborted_producers.discard(batch.producer_id)
        if batch.is_transactional and batch.producer_id in records._aborted_producers:
            return True
    return bool(batch.is_control_batch)
