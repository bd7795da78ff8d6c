"""The batched Faust transport: one event per (partition, fetch), and only where it was asked for.

Faust keeps the group membership and delivers; it commits nothing and seeks nothing of its own.
A stage asks for the next batch of a partition *from an exact offset* (``BatchedConsumer.want``) and
gets one ``RecordBatch`` that starts right there. Whatever Faust drops on the way (it clears its
queues in a rebalance) is asked for again.

Written against the internals of faust-streaming 0.15.3 and aiokafka 0.14.0.
"""

import asyncio
from typing import Any, Final, Protocol

import faust
from faust.app.base import BootStrategy
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams import metrics
from streams.batch import Message, RecordBatch
from streams.fetching import FAUST_LOGGER, HEARTBEAT_S, ConsumerThread
from streams.settings import StreamSettings
from streams.vitals import Vitals

__all__ = ["App", "BatchedConsumer", "Message", "Owner", "RecordBatch", "group_id"]

NEVER_S: Final = 1e9
"""For Faust's periodic chores that have nothing to do here."""


class Owner(Protocol):
    """What runs on the partitions that the group gives to this process."""

    async def assigned(self, partitions: set[TP]) -> None:
        """These are all the partitions we have now."""
        ...

    async def revoked(self) -> None:
        """Every partition is in question until ``assigned`` says more; commit nothing meanwhile."""
        ...

    async def close(self) -> None: ...


class BatchSchema(faust.Schema):  # type: ignore[type-arg]
    """Hands the batch through as it is."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002
        return None

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:  # noqa: ARG002
        return message.value


class _NothingRead(dict[TP, int | None]):
    """Faust drops what lies below the last offset it has read; we do go back, and mean it."""

    def __getitem__(self, _: TP) -> None:
        return None


class BatchedConsumer(driver.Consumer):
    """Faust's consumer with its own commits, seeks and bookkeeping of offsets taken out."""

    logger = FAUST_LOGGER
    _thread: ConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_offset = _NothingRead()

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # What stages use.

    def want(self, tp: TP, start: int) -> None:
        """Deliver the next batch of this partition, from ``start`` on; one batch, then no more."""
        self._thread.wants[tp] = start
        self._thread.wake()

    def unwant(self, tp: TP) -> None:
        self._thread.wants.pop(tp, None)

    async def is_member(self) -> bool:
        return bool(await self._thread.call_thread(self._thread.is_member))

    @property
    def member_id(self) -> str:
        """Who we are in the group; empty if nobody."""
        return self._thread.member_id

    def known_end(self, tp: TP) -> int:
        """Where the last fetch found the end of the log; 0 if it did not yet."""
        return self._thread.known_end(tp)

    async def committed(self, tp: TP) -> int | None:
        """The group's offset of this partition; None if it never committed one."""
        found: int | None = await self._thread.call_thread(self._thread.committed, tp)
        return found

    async def commit_offset(self, tp: TP, offset: int) -> None:
        """Commit as a member of the group; raises KafkaError if we are none (any more)."""
        await self._thread.call_thread(self._thread.commit_offset, tp, offset)

    # What Faust would do on its own.

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: FBT001, FBT002, ARG002
        return False

    async def _commit(self, offsets: Any) -> bool:  # noqa: ARG002
        return False

    async def perform_seek(self) -> None:
        pass  # The stage says where to read from.

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        pass  # Gaps matter to commits only.

    def on_buffer_full(self, tp: TP) -> None:
        pass  # Nothing comes that was not wanted.

    def verify_event_path(self, now: float, tp: TP) -> None:
        pass  # It would complain that nothing is committed.

    def highwater(self, tp: TP) -> int:  # noqa: ARG002
        return 0  # For Faust's monitor only, and it fails in a rebalance.

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        offset = record.next - 1
        message = ConsumerMessage(tp.topic, tp.partition, offset, 0.0, 0, [], None, None, None)
        message.tp = tp
        message.value = record
        message.generation_id = self.app.consumer_generation_id
        return message


class BatchedTransport(driver.Transport):
    Consumer = BatchedConsumer


class ConsumerOnly(BootStrategy):
    """Stages bring producers of their own; the web server would take a port."""

    enable_kafka_producer = False
    enable_web = False
    enable_sensors = False


class App(faust.App):
    """One stage's Faust app: group membership and delivery; what runs on it attaches an Owner."""

    BootStrategy = ConsumerOnly
    logger = FAUST_LOGGER
    consumer: BatchedConsumer

    def __init__(self, stage: str, settings: StreamSettings) -> None:
        self.stage = stage
        self.settings = settings
        self.owners: list[Owner] = []
        self.failed = asyncio.Event()
        self.vitals = Vitals(stage)
        self._home: asyncio.AbstractEventLoop | None = None
        self.subscribed: set[str] = set()
        """Topics (with prefix) that it reads as a member of its group."""
        self.unread: set[str] = set()
        """Topics (with prefix) that are subscribed to for the membership alone."""
        session_s = settings.broker.session_timeout_s
        super().__init__(
            group_id(settings, stage),
            # For the choice of the transport only: our consumer finds the brokers by itself.
            broker=settings.broker.url.split(",")[0],
            store="memory://",
            broker_session_timeout=session_s,
            broker_rebalance_timeout=session_s,
            broker_request_timeout=max(90.0, 2 * session_s),
            broker_heartbeat_interval=HEARTBEAT_S,
            broker_commit_interval=NEVER_S,
            stream_wait_empty=False,
            stream_recovery_delay=0.0,
            topic_disable_leader=True,
            topic_allow_declare=False,
            web_enabled=False,
        )
        self.on_partitions_assigned.connect(self._tell_assigned, weak=False)  # type: ignore[arg-type]
        self.on_partitions_revoked.connect(self._tell_revoked, weak=False)  # type: ignore[arg-type]

    def batched_topic(self, *names: str) -> Any:
        """A Faust topic whose events are batches; names with prefix."""
        self.subscribed |= set(names)
        return self.topic(*names, schema=BatchSchema(), maxsize=1_024)

    async def on_start(self) -> None:
        self._home = asyncio.get_running_loop()
        await super().on_start()

    async def on_stop(self) -> None:
        """Let go of the partitions in good order before the consumer leaves the group."""
        for owner in self.owners:
            await owner.close()
        await super().on_stop()

    async def _tell_assigned(self, _: Any, *assigned: Any, **__: Any) -> None:
        metrics.REBALANCES.labels(self.stage).inc()
        self.vitals.joined(self.consumer.member_id)
        for owner in self.owners:
            await owner.assigned(set(assigned[0]))

    async def _tell_revoked(self, _: Any, *__: Any, **___: Any) -> None:
        for owner in self.owners:
            await owner.revoked()

    def _crash(self, reason: BaseException) -> None:
        super()._crash(reason)
        if self._home is not None:
            # It may be the consumer's thread that crashes us.
            self._home.call_soon_threadsafe(self.failed.set)

    def _new_transport(self) -> BatchedTransport:
        return BatchedTransport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        pass  # No tables, nothing on disk.


def group_id(settings: StreamSettings, stage: str) -> str:
    """The consumer group of a stage: `tidegate-<stage>` under the default topic prefix.

    >>> group_id(StreamSettings(), "watch")
    'tidegate-watch'
    """
    return f"{settings.topics.prefix.rstrip('.-_') or 'tidegate'}-{stage}"
