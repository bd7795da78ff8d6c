"""Snapshots of a log stage's partition: taken after a commit, written with later ones."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import version
from typing import Final

from aiokafka.errors import KafkaError

from streams.batch import RecordBatch
from streams.errors import SnapshotError
from streams.log import get_logger
from streams.schemas.system import SnapshotManifest
from streams.snapshot_writer import SnapshotWriter
from streams.snapshots import (
    Taken,
    check_manifest,
    manifests,
    missing_chunks,
    newest_values,
    state_of,
)
from streams.stage import Out
from streams.transaction import Transaction
from streams.work import Keeping, Kept, Log, LogHandler

log = get_logger(__name__)

STAY: Final = 2
"""Snapshots that stay: should the newest be of no use, the other one takes its place."""
REACHES: Final = (64, 1_024, 65_536)
"""So many offsets from the end of a topic are read; more, if not enough of use is among them."""


class Keeper:
    """Lives as long as the partition is ours."""

    def __init__(self, keeping: Keeping, stage: str, partition: int, source: Log) -> None:
        self.writer = SnapshotWriter(keeping, stage, partition, stay=STAY)
        self._topic = keeping.topic
        self._stage, self._partition = stage, partition
        self._log = source
        self._code = version("tidegate")
        self._covered: Taken | None = None
        """What was committed last."""
        self._begun: Taken | None = None
        """What the snapshot covers that was begun last."""

    async def restored(
        self, make: Callable[[], LogHandler], *, begin: int, committed: int
    ) -> tuple[LogHandler, int]:
        """A handler in the state of the newest snapshot of use, and where to replay from.

        begin: first offset of the log. committed: where processing will go on.
        """
        meaning = _kept(make()).meaning

        def check(manifest: SnapshotManifest) -> None:
            check_manifest(manifest, begin=begin, committed=committed, meaning=meaning)

        async def take(manifest: SnapshotManifest) -> tuple[LogHandler, int]:
            check(manifest)
            await self._check_log(manifest, begin)
            state = await asyncio.to_thread(state_of, manifest, values)
            handler = make()
            await asyncio.to_thread(_kept(handler).load, state)
            return handler, manifest.offset

        values = await self._stored(check)
        return await self.writer.newest(values, take) or (make(), begin)

    async def committed(self, handler: LogHandler, batch: RecordBatch, worked_s: float) -> None:
        """Call between the commit of ``batch``, which took so long to work on, and the next."""
        last = batch.messages[-1]
        self._covered = Taken(
            offset=batch.next,
            last_offset=last.offset,
            last_at_us=last.timestamp_us,
            partition=self._partition,
            meaning=_kept(handler).meaning,
            code=self._code,
        )
        self.writer.worked_s += worked_s
        if self.writer.due:
            await self._begin(handler, self._covered)

    def next_messages(self) -> list[Out]:
        """What the next commit takes along."""
        return [
            Out(topic=self._topic, key=key, value=value, partition=self._partition)
            for key, value in self.writer.next().items()
        ]

    async def stop(self, handler: LogHandler, transaction: Transaction) -> None:
        """Write a last snapshot, so that whoever comes next has nothing to replay."""
        try:
            await self._flush(transaction)
            if self._covered is not None and self._covered != self._begun:
                await self._begin(handler, self._covered)
                await self._flush(transaction)
        except KafkaError as exc:
            log.warning(
                "last_snapshot_not_written",
                stage=self._stage,
                partition=self._partition,
                error=str(exc),
            )

    async def _begin(self, handler: LogHandler, covered: Taken) -> None:
        self._begun = covered
        await self.writer.begin(_kept(handler).save, covered)

    async def _flush(self, transaction: Transaction) -> None:
        await self.writer.encoded()
        while out := self.next_messages():
            await transaction.commit(out)

    async def _stored(self, check: Callable[[SnapshotManifest], None]) -> dict[str, bytes]:
        values: dict[str, bytes] = {}
        for reach in REACHES:
            messages, complete = await self._log.tail(self._topic, reach)
            values = newest_values(messages)
            found = [one for one in manifests(values) if _of_use(one, values, check)]
            if complete or len(found) >= STAY:
                break
        return values

    async def _check_log(self, manifest: SnapshotManifest, begin: int) -> None:
        """A topic that was deleted and made anew has the same name and other messages."""
        last = manifest.last_offset
        if last < begin:
            return
        async for batch in self._log.replay(last, last + 1):
            if any(message.timestamp_us == manifest.last_at_us for message in batch.messages):
                return
        raise SnapshotError(f"there is another message at offset {last} of the log")


def _kept(handler: LogHandler) -> Kept:
    if not isinstance(handler, Kept):
        raise TypeError(f"{type(handler).__name__} has no state to keep")
    return handler


def _of_use(
    manifest: SnapshotManifest,
    values: Mapping[str, bytes],
    check: Callable[[SnapshotManifest], None],
) -> bool:
    with suppress(SnapshotError):
        check(manifest)
        return not missing_chunks(manifest, values)
    return False
