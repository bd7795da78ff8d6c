"""One owned partition of a log stage: taken over, worked through batch by batch, let go."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from aiokafka.errors import KafkaError, ProducerFenced

from streams import metrics
from streams.batch import RecordBatch, joined
from streams.errors import OffsetExpiredError, OwnershipLostError, TidegateError
from streams.log import get_logger
from streams.restoring import begins_at, restored
from streams.retry import Attempts, persist
from streams.stage import Out
from streams.transaction import Transaction
from streams.vitals import Vital
from streams.work import AtEnd, Item, Log, LogHandler, Recheck, Showing, Shown, Stop, Work

if TYPE_CHECKING:
    from streams.keeper import Keeper

log = get_logger(__name__)

GATHER_MESSAGES: Final = 50_000
GATHER_BYTES: Final = 8_000_000
"""With a minimal interval: a batch that has grown to either is committed before it is due."""
MEMBER_S: Final = 0.5
"""How often to ask whether the group counts us in."""
LET_FINISH_S: Final = 1.5
"""How long a commit under way may take when the partition is taken from us, and a last snapshot."""
LOUD_AFTER: Final = 5
"""Failures in a row from which on we say that something is wrong here for good."""


class Partition:
    """Runs as a task of its own while the group says that the partition is ours."""

    def __init__(self, topic: str, partition: int, source: Log, work: Work) -> None:
        self.position: int | None = None
        """Where the next batch has to start; None until taken over."""
        self.active_at = 0.0
        """Loop time at which something was last committed or read."""
        self.name = f"{topic}/{partition}"
        self.vital = Vital()
        self._log = source
        self._work = work
        self._place = topic, partition
        self._handler: LogHandler | None = None
        self._inbox: asyncio.Queue[Item] = asyncio.Queue()
        self._ours = asyncio.Event()
        self._busy = asyncio.Lock()
        self._committed: int | None = None
        self._next_commit_at = 0.0
        self._attempts = Attempts()
        self._keeper: Keeper | None = None
        self._task: asyncio.Task[None] | None = None

    # Called by the stage.

    def assigned(self) -> None:
        """Ours, for the first time or again."""
        self._ours.set()
        if self._task is None:
            self._task = asyncio.create_task(self._live(), name=f"partition-{self.name}")
        else:
            self._inbox.put_nowait(Recheck())

    async def revoked(self) -> None:
        """In question: finish what is being committed, begin nothing."""
        self._ours.clear()
        self._log.unwant()
        with suppress(TimeoutError):
            async with asyncio.timeout(LET_FINISH_S), self._busy:
                pass

    async def stop(self) -> None:
        """The process ends in good order: write a last snapshot, then close."""
        await self.revoked()
        if self._task is not None and self._keeper is not None:
            self._inbox.put_nowait(Stop())
            await asyncio.wait([self._task], timeout=LET_FINISH_S)
        await self.close()

    async def close(self) -> None:
        await self.revoked()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def deliver(self, item: Item) -> None:
        """A batch that was wanted, or news of the log's end; at most a few wait at a time."""
        self._inbox.put_nowait(item)

    @property
    def quiet(self) -> bool:
        """Taken over, and nothing waits or is being worked on."""
        waiting = self._inbox.empty() and not self._busy.locked()
        return waiting and self._ours.is_set() and self.position is not None

    @property
    def ours(self) -> bool:
        """The group says so, and says it without a doubt."""
        return self._ours.is_set()

    @property
    def reached(self) -> int | None:
        """What lies before this is done, also while we take over or fail; None if never known."""
        return self._committed if self.position is None else self.position

    @property
    def failures(self) -> int:
        """In a row, up to now."""
        return self._attempts.failed

    def shown(self) -> Shown | None:
        """How far the handler has come; None while there is none, or it has nothing to show."""
        return self._handler.shown() if isinstance(self._handler, Showing) else None

    # The task.

    async def _live(self) -> None:
        await persist(self._own, on_error=self._failed, attempts=self._attempts)

    def _failed(self, error: Exception) -> None:
        self.vital.stir()
        lost = isinstance(error, OwnershipLostError | ProducerFenced)
        (metrics.FENCED if lost else metrics.ERRORS).labels(self._work.stage).inc()
        log.log(
            logging.INFO if lost else logging.ERROR,
            "partition_dropped",
            stage=self._work.stage,
            partition=self.name,
            error=f"{type(error).__name__}: {error}",
            exc_info=None if isinstance(error, TidegateError | KafkaError) else error,
        )
        if self.failures + 1 >= LOUD_AFTER:
            log.critical(
                "partition_fails_again_and_again",
                stage=self._work.stage,
                partition=self.name,
                offset=self._committed,
                failures=self.failures + 1,
                next="nothing is skipped or lost, it is tried again; mend the cause",
            )

    async def _own(self) -> None:
        await self._until_member()
        transaction = self._log.transaction()
        try:
            self._handler = handler = await self._take_over(transaction)
            await self._work_through(handler, transaction)
        finally:
            self.position, self._handler, self._keeper = None, None, None
            self._log.unwant()
            await transaction.close()

    async def _take_over(self, transaction: Transaction) -> LogHandler:
        await transaction.open()
        # We may have been frozen meanwhile and have fenced the rightful owner: ask again.
        await self._confirm()
        self._committed = await begins_at(self._work, self._log, self.name, self._committed)
        begin = await self._log.begin()
        start = begin if self._committed is None else self._committed
        self._check_begin(begin, start)
        before = range(begin, start)
        found = await restored(self._work, self._log, self._place, before, self.vital)
        handler, self._keeper = found.handler, found.keeper
        while not self._inbox.empty():
            self._inbox.get_nowait()
        self._advance(start)
        self._log.want(start)
        log.info("partition_taken", stage=self._work.stage, partition=self.name, offset=start)
        return handler

    async def _until_member(self) -> None:
        """Who is no member must not fence the one who is."""
        await self._ours.wait()
        while not await self._log.is_member():
            self.vital.stir()
            await asyncio.sleep(MEMBER_S)
            await self._ours.wait()

    async def _confirm(self) -> None:
        if not self._ours.is_set() or not await self._log.is_member():
            raise OwnershipLostError(f"{self.name} is not ours for the moment")

    def _check_begin(self, begin: int, position: int) -> None:
        if begin > position:
            raise OffsetExpiredError(self.name, position, begin)

    async def _work_through(self, handler: LogHandler, transaction: Transaction) -> None:
        loop, idle = asyncio.get_running_loop(), metrics.IDLE_SECONDS.labels(self._work.stage)
        while True:
            began = loop.time()
            item = await self._inbox.get()
            idle.inc(loop.time() - began)
            if not self._ours.is_set() and not isinstance(item, Stop):
                continue  # a Recheck follows once the partition is ours again
            match item:
                case RecordBatch():
                    await self._take(item, handler, transaction)
                case Stop():
                    if self._keeper is not None:
                        await self._keeper.stop(handler, transaction)
                    return
                case AtEnd():
                    await self._rest(item, handler, transaction)
                case Recheck():
                    await self._recheck()

    async def _take(self, batch: RecordBatch, handler: LogHandler, tx: Transaction) -> None:
        if batch.start != self.position:
            self._log.want(self._position)
            return
        if self._work.min_interval_s:
            batch = await self._gather(batch)
            if not self._ours.is_set():
                return
        self._log.want(batch.next)
        if batch.messages:
            async with self._busy:
                began_at = asyncio.get_running_loop().time()
                out = await handler.handle(batch)
                worked_s = asyncio.get_running_loop().time() - began_at
                await self._commit(tx, out, batch.next)
                if self._keeper is not None:
                    await self._keeper.committed(handler, batch, worked_s)
            metrics.RECORDS_IN.labels(self._work.stage).inc(len(batch.messages))
        self._advance(batch.next)

    async def _rest(self, end: AtEnd, handler: LogHandler, tx: Transaction) -> None:
        if end.position != self.position:
            return
        async with self._busy:
            out = await handler.idle(end.position, end.clock_us)
            if out or (self._keeper is not None and self._keeper.writer.waits):
                await self._commit(tx, out, end.position)

    async def _commit(self, tx: Transaction, out: Sequence[Out], offset: int) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        besides = [] if self._keeper is None else self._keeper.next_messages()
        await tx.commit([*out, *besides], offset)
        self._committed = offset
        self._attempts.succeeded()
        self.vital.stir()
        self._next_commit_at = began + self._work.min_interval_s
        metrics.BATCHES.labels(self._work.stage).inc()
        metrics.RECORDS_OUT.labels(self._work.stage).inc(len(out))
        metrics.COMMIT_SECONDS.labels(self._work.stage).observe(loop.time() - began)

    async def _recheck(self) -> None:
        """Go on where we were if nobody else has been here, else take over anew."""
        await self._until_member()
        committed = await self._log.committed()
        if committed != self._committed:
            raise OwnershipLostError(
                f"{self.name}: committed at {committed}, expected {self._committed}"
            )
        self._check_begin(await self._log.begin(), self._position)
        self._log.want(self._position)

    async def _gather(self, first: RecordBatch) -> RecordBatch:
        """Join what comes until the next commit is due.

        It is taken as it comes: aiokafka asks a broker for nothing while it holds an answer for
        any partition, and then for up to half a second only for those it holds nothing for.
        """
        batches, count, size = [first], len(first.messages), first.records.size_bytes
        while count < GATHER_MESSAGES and size < GATHER_BYTES:
            left_s = self._next_commit_at - asyncio.get_running_loop().time()
            if left_s <= 0:
                break
            self._log.want(batches[-1].next)
            try:
                item = await asyncio.wait_for(self._inbox.get(), left_s)
            except TimeoutError:
                break
            if isinstance(item, Recheck):
                self._inbox.put_nowait(item)
                break
            if isinstance(item, RecordBatch) and item.start == batches[-1].next:
                batches.append(item)
                count += len(item.messages)
                size += item.records.size_bytes
        return joined(batches)

    def _advance(self, position: int) -> None:
        self.position = position
        self.vital.stir()
        self.active_at = asyncio.get_running_loop().time()

    @property
    def _position(self) -> int:
        if self.position is None:
            raise OwnershipLostError(f"{self.name} is not taken over")
        return self.position
