"""Snapshots of one partition: taken after a commit, written with later ones, used at a restart."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib.metadata import version
from typing import Final

from aiokafka.errors import KafkaError

from streams import metrics
from streams.batch import RecordBatch
from streams.codec import encode_record
from streams.errors import SnapshotError
from streams.log import get_logger
from streams.schemas.system import SnapshotManifest
from streams.snapshots import (
    Snapshot,
    Taken,
    check_manifest,
    manifests,
    missing_chunks,
    newest_values,
    snapshot_of,
    state_of,
)
from streams.stage import Out
from streams.transaction import Transaction
from streams.work import Keeping, Kept, Log, LogHandler

log = get_logger(__name__)

KEPT: Final = 2
"""Snapshots that stay; older ones get tombstones."""
REACHES: Final = (64, 1_024, 65_536)
"""So many offsets from the end of the topic are read; more, if no two of use are among them."""
CHUNKS_PER_COMMIT: Final = 2
GOLDEN: Final = 0.618
"""Its multiples spread evenly over [0, 1): partitions must not all be written at once."""


class Keeper:
    """Lives as long as the partition is ours; dropped with its state after any error.

    Chunks travel as outputs of the ordinary commits that follow, so a fenced owner cannot write any
    and no commit waits for long; the manifest goes into a commit after that of the last chunk.
    """

    def __init__(self, keeping: Keeping, stage: str, partition: int, source: Log) -> None:
        self._keeping = keeping
        self._stage, self._partition = stage, partition
        self._log = source
        self._code = version("tidegate")
        self._ids: dict[str, list[str]] = {}
        """Keys of what stands in the topic, by id of the snapshot, the oldest first."""
        self._waiting: deque[list[Out]] = deque()
        """What each of the next commits takes along."""
        self._encoding: asyncio.Task[Snapshot] | None = None
        self._covered: Taken | None = None
        """What was committed last."""
        self._begun: Taken | None = None
        self._begun_at = 0.0
        """The snapshot that was begun last."""
        self._kept_at = asyncio.get_running_loop().time()
        self._due_at = self._kept_at + keeping.every_s * (1 - GOLDEN * partition % 1)
        self.worked_s = 0.0
        """How long it took to get here from the last snapshot: to replay it takes no longer."""

    async def restored(
        self, make: Callable[[], LogHandler], *, begin: int, committed: int
    ) -> tuple[LogHandler, int]:
        """A handler in the state of the newest snapshot of use, and where to replay from.

        begin: first offset of the log. committed: where processing will go on.
        """
        meaning = _kept(make()).meaning

        def check(manifest: SnapshotManifest) -> None:
            check_manifest(manifest, begin=begin, committed=committed, meaning=meaning)

        values = await self._stored(check)
        self._ids = _by_id(values)
        for manifest in manifests(values):
            handler = make()
            try:
                check(manifest)
                await self._check_log(manifest, begin)
                state = await asyncio.to_thread(state_of, manifest, values)
                await asyncio.to_thread(_kept(handler).load, state)
            except SnapshotError as exc:
                self._refused(manifest, exc)
            else:
                return handler, manifest.offset
        return make(), begin

    async def committed(self, handler: LogHandler, batch: RecordBatch, worked_s: float) -> None:
        """Call between the commit of ``batch``, which took so long to work on, and the next."""
        last, now = batch.messages[-1], asyncio.get_running_loop().time()
        self._covered = Taken(
            offset=batch.next,
            last_offset=last.offset,
            last_at_us=last.timestamp_us,
            partition=self._partition,
            meaning=_kept(handler).meaning,
            code=self._code,
        )
        self.worked_s += worked_s
        metrics.SNAPSHOT_AGE.labels(*self._names).set(now - self._kept_at)
        due = now >= self._due_at or self.worked_s >= self._keeping.after_work_s
        if due and not self._waiting and self._encoding is None:
            await self._begin(handler, self._covered)

    @property
    def waits(self) -> bool:
        """There is something to write, should no batch come that is committed anyway."""
        return bool(self._waiting) or (self._encoding is not None and self._encoding.done())

    def next_messages(self) -> list[Out]:
        """What the next commit takes along."""
        if self._encoding is not None and self._encoding.done():
            encoding, self._encoding = self._encoding, None
            self._plan(encoding)
        return self._waiting.popleft() if self._waiting else []

    async def stop(self, handler: LogHandler, transaction: Transaction) -> None:
        """Write a last snapshot, so that whoever comes next has nothing to replay."""
        try:
            await self._flush(transaction)
            if self._covered is not None and self._covered != self._begun:
                await self._begin(handler, self._covered)
                await self._flush(transaction)
        except KafkaError as exc:
            log.warning("last_snapshot_not_written", **self._where, error=str(exc))

    async def _begin(self, handler: LogHandler, covered: Taken) -> None:
        """Copy the state while the partition waits; encode it while it goes on."""
        clock = asyncio.get_running_loop().time
        began = clock()
        state = await asyncio.to_thread(_kept(handler).save)
        self._begun, self._begun_at, self.worked_s = covered, clock(), 0.0
        self._due_at = self._begun_at + self._keeping.every_s
        metrics.SNAPSHOT_PAUSE.labels(*self._names).set(self._begun_at - began)
        encode = asyncio.to_thread(
            snapshot_of, state, covered, chunk_bytes=self._keeping.chunk_bytes
        )
        self._encoding = asyncio.create_task(encode)

    async def _flush(self, transaction: Transaction) -> None:
        if self._encoding is not None:
            await asyncio.wait([self._encoding])
        while out := self.next_messages():
            await transaction.commit(out)

    def _plan(self, encoding: asyncio.Task[Snapshot]) -> None:
        try:
            snapshot = encoding.result()
        except SnapshotError as exc:
            log.error("snapshot_not_written", **self._where, error=str(exc))  # noqa: TRY400
            return
        manifest, chunks = snapshot.manifest, list(snapshot.chunks.items())
        self._kept_at = self._begun_at
        metrics.SNAPSHOT_BYTES.labels(*self._names).set(manifest.size_bytes)
        log.debug("snapshot", **self._where, id=manifest.id, size_bytes=manifest.size_bytes)
        for at in range(0, len(chunks), CHUNKS_PER_COMMIT):
            self._waiting.append([self._out(*each) for each in chunks[at : at + CHUNKS_PER_COMMIT]])
        self._waiting.append([self._out(manifest.id, encode_record(manifest))])
        self._ids.pop(manifest.id, None)
        self._ids[manifest.id] = [manifest.id, *snapshot.chunks]
        self._drop([*self._ids][:-KEPT])

    def _drop(self, ids: Iterable[str]) -> None:
        tombstones = [self._out(key, None) for name in ids for key in self._ids.pop(name)]
        if tombstones:
            self._waiting.append(tombstones)

    def _out(self, key: str, value: bytes | None) -> Out:
        return Out(topic=self._keeping.topic, key=key, value=value, partition=self._partition)

    async def _stored(self, check: Callable[[SnapshotManifest], None]) -> dict[str, bytes]:
        values: dict[str, bytes] = {}
        for reach in REACHES:
            messages, complete = await self._log.tail(self._keeping.topic, reach)
            values = newest_values(messages)
            found = [one for one in manifests(values) if _of_use(one, values, check)]
            if complete or len(found) >= KEPT:
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

    def _refused(self, manifest: SnapshotManifest, error: SnapshotError) -> None:
        metrics.SNAPSHOTS_REFUSED.labels(*self._names).inc()
        log.warning("snapshot_ignored", **self._where, id=manifest.id, reason=str(error))
        if manifest.id in self._ids:
            self._ids = {manifest.id: self._ids.pop(manifest.id), **self._ids}  # The first to go.

    @property
    def _names(self) -> tuple[str, str]:
        return self._stage, str(self._partition)

    @property
    def _where(self) -> dict[str, str | int]:
        return {"stage": self._stage, "partition": self._partition}


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


def _by_id(values: Iterable[str]) -> dict[str, list[str]]:
    """Keys of each snapshot, the oldest first; those without a manifest are older than all."""
    keys = list(values)
    ids: dict[str, list[str]] = {}
    for key in keys:
        ids.setdefault(key.partition("/")[0], []).append(key)
    whole = set(keys)
    return dict(sorted(ids.items(), key=lambda each: (each[0] in whole, _offset(each[0]))))


def _offset(name: str) -> int:
    offset = name.partition("-")[0]
    return int(offset) if offset.isdecimal() else -1
