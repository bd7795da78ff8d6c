"""A log stage: each owned partition's batches in order, outputs and offset written together."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP

from streams.batch import Message
from streams.batched import App, RecordBatch, group_id
from streams.clock import Clock, system_clock
from streams.connection import bare_name, full_name
from streams.ends import Ends
from streams.partition import Partition
from streams.replay import replayed
from streams.topics import is_foreign
from streams.transaction import Atomic, Ordered, Transaction, transactional_id
from streams.work import Keeping, LogHandler, Work, never

__all__ = ["LogHandler", "attach_log_stage"]


def attach_log_stage(  # noqa: PLR0913  # the stage's whole description
    app: App,
    *,
    stage: str,
    topics: Sequence[str],
    handler: Callable[[str, int], LogHandler],
    replay: bool = False,
    min_interval_s: float = 0.0,
    waits: Callable[[], bool] = never,
    snapshots: str = "",
    told_in: str = "",
) -> None:
    """Run a handler on each partition of ``topics`` (without prefix) that the group gives us.

    handler: called with topic and partition whenever a partition is taken over.
    replay: let ``restore`` see the log before the committed offset.
    snapshots: topic (without prefix) that keeps the handlers' states, which are ``Kept``; only what
        came after the newest of use is replayed.
    told_in: topic (without prefix) of its outputs whose blocks say in ``next_offset`` up to where
        they were made; with transactions, no owner begins before that.
    min_interval_s: least time between two commits of a partition; records gather in between.
    waits: whether the handlers now wait for somebody else on purpose, and so do not hang.
    """
    work = Work(
        stage=stage,
        handler=handler,
        replay=replay,
        min_interval_s=min_interval_s,
        waits=waits,
        keeping=Keeping.of(app.settings, snapshots) if snapshots else None,
        told_in=told_in if app.settings.broker.delivery == "exactly_once" else "",
    )
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
        self._partitions: dict[TP, Partition] = {}
        self._ends = Ends(app, work, lambda: self._partitions, clock)
        self._watching: asyncio.Task[None] | None = None

    def deliver(self, batch: RecordBatch) -> None:
        partition = self._partitions.get(
            TP(full_name(self._app.settings, batch.topic), batch.partition)
        )
        if partition is not None:
            partition.deliver(batch)

    async def assigned(self, partitions: set[TP]) -> None:
        gone = [self._let_go(tp) for tp in set(self._partitions) - partitions]
        await asyncio.gather(*[partition.close() for partition in gone])
        for tp in partitions:
            if tp not in self._partitions:
                self._partitions[tp] = self._take(tp)
            self._partitions[tp].assigned()
        if self._watching is None:
            watch = self._ends.watch()
            self._watching = asyncio.create_task(watch, name=f"ends-{self._work.stage}")

    async def revoked(self) -> None:
        await asyncio.gather(*[partition.revoked() for partition in self._partitions.values()])

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        gone = [self._let_go(tp) for tp in set(self._partitions)]
        await asyncio.gather(*[partition.stop() for partition in gone])
        await self._ends.close()

    def _take(self, tp: TP) -> Partition:
        topic = bare_name(self._app.settings, tp.topic)
        source = PartitionLog(self._app, self._ends.client, tp, self._work.stage)
        partition = Partition(topic, tp.partition, source, self._work)
        self._app.vitals.parts[partition.name] = partition.vital
        return partition

    def _let_go(self, tp: TP) -> Partition:
        partition = self._partitions.pop(tp)
        self._app.vitals.parts.pop(partition.name, None)
        return partition


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
        found = await self._app.consumer.committed(self._tp)
        if found is None and is_foreign(bare_name(self._app.settings, self._tp.topic)):
            return await self._begin_at_end()
        return found

    async def _begin_at_end(self) -> int:
        """What a topic of others holds from days before would keep all windows waiting.

        Committed before anything is read, and by a member of the group only: so it is done once.
        """
        tp = TopicPartition(self._tp.topic, self._tp.partition)
        end: int = (await (await self._ends()).end_offsets([tp]))[tp]
        await self._app.consumer.commit_offset(self._tp, end)
        return end

    async def begin(self) -> int:
        tp = TopicPartition(self._tp.topic, self._tp.partition)
        begin: int = (await (await self._ends()).beginning_offsets([tp]))[tp]
        return begin

    def replay(self, start: int, end: int) -> AsyncIterator[RecordBatch]:
        return replayed(self._app.settings, self._tp, start, end)

    async def tail(self, topic: str, reach: int) -> tuple[list[Message], bool]:
        ends = await self._ends()
        tp = TopicPartition(full_name(self._app.settings, topic), self._tp.partition)
        begin = (await ends.beginning_offsets([tp]))[tp]
        end = (await ends.end_offsets([tp]))[tp]
        start = max(begin, end - reach)
        batches = replayed(self._app.settings, tp, start, end)
        return [message async for batch in batches for message in batch.messages], start == begin

    def transaction(self) -> Transaction:
        settings, tp = self._app.settings, self._tp
        if settings.broker.delivery == "at_least_once":
            return Ordered(settings, lambda offset: self._app.consumer.commit_offset(tp, offset))
        name = transactional_id(settings, self._stage, bare_name(settings, tp.topic), tp.partition)
        source = TopicPartition(tp.topic, tp.partition)
        group = group_id(settings, self._stage)
        return Atomic(settings, name, source=source, group=group, told=self._app.vitals.writes)
