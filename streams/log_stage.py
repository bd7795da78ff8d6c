"""A log stage: each owned partition's batches in order, outputs and offset written together."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from faust.types import TP

from streams.batched import App, RecordBatch, group_id
from streams.clock import Clock, system_clock
from streams.connection import bare_name, full_name, new_consumer
from streams.log import get_logger
from streams.partition import Partition
from streams.replay import replayed
from streams.transaction import Atomic, Ordered, Transaction, transactional_id
from streams.work import AtEnd, LogHandler, Recheck, Work

__all__ = ["LogHandler", "attach_log_stage"]

log = get_logger(__name__)

IDLE_S: Final = 1.0
"""How long a partition is quiet before its end is looked for, and how often from then on."""
LOST_S: Final = 5.0
"""There is more to read, we want it, and nothing comes: ask again after this long."""


def attach_log_stage(  # noqa: PLR0913  # the stage's whole description
    app: App,
    *,
    stage: str,
    topics: Sequence[str],
    handler: Callable[[str, int], LogHandler],
    replay: bool = False,
    min_interval_s: float = 0.0,
) -> None:
    """Run a handler on each partition of ``topics`` (without prefix) that the group gives us.

    handler: called with topic and partition whenever a partition is taken over.
    replay: let ``restore`` see the log before the committed offset.
    min_interval_s: least time between two commits of a partition; records gather in between.
    """
    work = Work(stage=stage, handler=handler, replay=replay, min_interval_s=min_interval_s)
    log_stage = LogStage(app, work)
    app.owners.append(log_stage)

    @app.agent(app.batched_topic(*[full_name(app.settings, topic) for topic in topics]), name=stage)
    async def deliver(batches: Any) -> None:
        # noack(): an ordinary stream acknowledges in a finally, also when the body raised.
        async for event in batches.noack().events():
            log_stage.deliver(event.value)


class LogStage:
    """The partitions of one stage in this process, and the look at the end of their logs."""

    def __init__(self, app: App, work: Work, *, clock: Clock = system_clock) -> None:
        self._app = app
        self._work = work
        self._clock = clock
        self._partitions: dict[TP, Partition] = {}
        self._ends: AIOKafkaConsumer | None = None
        self._ends_lock = asyncio.Lock()
        self._ticker: asyncio.Task[None] | None = None

    def deliver(self, batch: RecordBatch) -> None:
        partition = self._partitions.get(
            TP(full_name(self._app.settings, batch.topic), batch.partition)
        )
        if partition is not None:
            partition.deliver(batch)

    async def assigned(self, partitions: set[TP]) -> None:
        gone = [self._partitions.pop(tp) for tp in set(self._partitions) - partitions]
        await asyncio.gather(*[partition.close() for partition in gone])
        for tp in partitions:
            if tp not in self._partitions:
                self._partitions[tp] = self._new(tp)
            self._partitions[tp].assigned()
        if self._ticker is None:
            self._ticker = asyncio.create_task(self._watch_ends(), name=f"ends-{self._work.stage}")

    async def revoked(self) -> None:
        await asyncio.gather(*[partition.revoked() for partition in self._partitions.values()])

    async def close(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
        await asyncio.gather(*[partition.close() for partition in self._partitions.values()])
        if self._ends is not None:
            await self._ends.stop()

    def _new(self, tp: TP) -> Partition:
        topic = bare_name(self._app.settings, tp.topic)
        source = PartitionLog(self._app, self.ends, tp, self._work.stage)
        return Partition(topic, tp.partition, source, self._work)

    async def ends(self) -> AIOKafkaConsumer:
        """A client to ask where logs begin and end.

        It reads uncommitted: only when we are at the very end, open transactions included, is
        everything before the clock's reading known.
        """
        async with self._ends_lock:
            if self._ends is None:
                ends = new_consumer(self._app.settings, isolation_level="read_uncommitted")
                try:
                    await ends.start()
                except KafkaError:
                    await ends.stop()
                    raise
                self._ends = ends
            return self._ends

    async def _watch_ends(self) -> None:
        while True:
            await asyncio.sleep(IDLE_S)
            try:
                await self._look_at_ends()
            except KafkaError as exc:
                log.debug("ends_unknown", stage=self._work.stage, error=str(exc))

    async def _look_at_ends(self) -> None:
        now = asyncio.get_running_loop().time()
        quiet = {
            TopicPartition(tp.topic, tp.partition): partition
            for tp, partition in self._partitions.items()
            if partition.quiet and now - partition.active_at > IDLE_S * 0.9
        }
        if not quiet:
            return
        positions = {tp: partition.position for tp, partition in quiet.items()}
        clock_us = self._clock()
        ends = await (await self.ends()).end_offsets(list(quiet))
        for tp, end in ends.items():
            position, partition = positions[tp], quiet[tp]
            # Not equality: the embedded broker names the end too low by all but one of the last
            # batch, and a position is never inside a batch.
            if position is not None and end <= position:
                partition.deliver(AtEnd(position, clock_us))
            elif now - partition.active_at > LOST_S:
                partition.active_at = now
                partition.deliver(Recheck())


class PartitionLog:
    """One partition of the broker, as ``Partition`` needs it."""

    def __init__(
        self, app: App, ends: Callable[[], Awaitable[AIOKafkaConsumer]], tp: TP, stage: str
    ) -> None:
        self._app = app
        self._ends = ends
        self._tp = tp
        self._stage = stage

    def want(self, start: int) -> None:
        self._app.consumer.want(self._tp, start)

    def unwant(self) -> None:
        self._app.consumer.unwant(self._tp)

    async def is_member(self) -> bool:
        return await self._app.consumer.is_member()

    async def committed(self) -> int | None:
        return await self._app.consumer.committed(self._tp)

    async def begin(self) -> int:
        tp = TopicPartition(self._tp.topic, self._tp.partition)
        begin: int = (await (await self._ends()).beginning_offsets([tp]))[tp]
        return begin

    def replay(self, start: int, end: int) -> AsyncIterator[RecordBatch]:
        return replayed(self._app.settings, self._tp, start, end)

    def transaction(self) -> Transaction:
        settings, tp = self._app.settings, self._tp
        if settings.broker.delivery == "at_least_once":
            return Ordered(settings, lambda offset: self._app.consumer.commit_offset(tp, offset))
        name = transactional_id(settings, self._stage, bare_name(settings, tp.topic), tp.partition)
        source = TopicPartition(tp.topic, tp.partition)
        return Atomic(settings, name, source=source, group=group_id(settings, self._stage))
