"""States in; what one commit after the other takes along of them, out; the newest of use back."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, TypeVar

from streams import metrics
from streams.codec import encode_record
from streams.errors import SnapshotError
from streams.log import get_logger
from streams.schemas.system import SnapshotManifest
from streams.snapshots import Snapshot, Taken, manifests, snapshot_of
from streams.work import Keeping

log = get_logger(__name__)
T = TypeVar("T")

CHUNKS_PER_COMMIT: Final = 2
GOLDEN: Final = 0.618
"""Its multiples spread evenly over [0, 1): partitions must not all be written at once."""


class SnapshotWriter:
    """Of one partition of a stage; dropped with its state after any error.

    Chunks travel with the ordinary commits that follow, so a fenced owner cannot write any and no
    commit waits for long; the manifest goes into a commit after that of the last chunk, then the
    tombstones of older snapshots.

    stay: so many snapshots stay.
    rest: so many times as long as the last one held up the stage, until the next is due by time.
    """

    def __init__(
        self, keeping: Keeping, stage: str, partition: int, *, stay: int, rest: float = 0.0
    ) -> None:
        self.worked_s = 0.0
        """How long it took to get here from the last snapshot: to replay it takes no longer."""
        self._keeping = keeping
        self._where = {"stage": stage, "partition": str(partition)}
        self._stay = stay
        self._rest = rest
        self._ids: dict[str, list[str]] = {}
        """Keys of what stands in the topic, by id of the snapshot, the oldest first."""
        self._waiting: deque[dict[str, bytes | None]] = deque()
        self._encoding: asyncio.Task[Snapshot] | None = None
        self._clock = asyncio.get_running_loop().time
        self._begun_at = self._kept_at = self._clock()
        self._due_at = self._begun_at + keeping.every_s * (1 - GOLDEN * partition % 1)

    async def newest(
        self, values: Mapping[str, bytes], take: Callable[[SnapshotManifest], Awaitable[T]]
    ) -> T | None:
        """What ``take`` makes of the newest for which it raises no SnapshotError.

        values: what stands in the topic.
        """
        self._ids = _by_id(values)
        for manifest in manifests(values):
            try:
                return await take(manifest)
            except SnapshotError as exc:
                metrics.SNAPSHOTS_REFUSED.labels(**self._where).inc()
                log.warning("snapshot_ignored", **self._where, id=manifest.id, reason=str(exc))
                if manifest.id in self._ids:  # The first to go.
                    self._ids = {manifest.id: self._ids.pop(manifest.id), **self._ids}
        return None

    @property
    def due(self) -> bool:
        """Time or work calls for one, and none is under way."""
        now = self._clock()
        metrics.SNAPSHOT_AGE.labels(**self._where).set(now - self._kept_at)
        called_for = now >= self._due_at or self.worked_s >= self._keeping.after_work_s
        return called_for and not self._waiting and self._encoding is None

    async def begin(self, copy: Callable[[], bytes], taken: Taken) -> None:
        """Copy the state while the stage waits; encode it while it goes on."""
        began_at = self._clock()
        try:
            state = await asyncio.to_thread(copy)
        except SnapshotError as exc:
            self._not_written(exc)
        else:
            encode = asyncio.to_thread(
                snapshot_of, state, taken, chunk_bytes=self._keeping.chunk_bytes
            )
            self._encoding = asyncio.create_task(encode)
        self._begun_at, self.worked_s = self._clock(), 0.0
        held_up_s = self._begun_at - began_at
        metrics.SNAPSHOT_PAUSE.labels(**self._where).set(held_up_s)
        self._due_at = self._begun_at + max(self._keeping.every_s, self._rest * held_up_s)

    @property
    def waits(self) -> bool:
        """There is something to write, should nothing come that is committed anyway."""
        return bool(self._waiting) or (self._encoding is not None and self._encoding.done())

    def next(self) -> dict[str, bytes | None]:
        """What the next commit takes along, by key."""
        if self._encoding is not None and self._encoding.done():
            encoding, self._encoding = self._encoding, None
            self._plan(encoding)
        return self._waiting.popleft() if self._waiting else {}

    async def encoded(self) -> None:
        """Until ``next`` has all of what was begun."""
        if self._encoding is not None:
            await asyncio.wait([self._encoding])

    def _plan(self, encoding: asyncio.Task[Snapshot]) -> None:
        try:
            snapshot = encoding.result()
        except SnapshotError as exc:
            self._not_written(exc)
            return
        manifest, chunks = snapshot.manifest, list(snapshot.chunks.items())
        self._kept_at = self._begun_at
        metrics.SNAPSHOT_BYTES.labels(**self._where).set(manifest.size_bytes)
        log.debug("snapshot", **self._where, id=manifest.id, size_bytes=manifest.size_bytes)
        for at in range(0, len(chunks), CHUNKS_PER_COMMIT):
            self._waiting.append(dict(chunks[at : at + CHUNKS_PER_COMMIT]))
        self._waiting.append({manifest.id: encode_record(manifest)})
        self._ids.pop(manifest.id, None)
        self._ids[manifest.id] = [manifest.id, *snapshot.chunks]
        gone = [key for name in [*self._ids][: -self._stay] for key in self._ids.pop(name)]
        if gone:
            self._waiting.append(dict.fromkeys(gone))

    def _not_written(self, error: SnapshotError) -> None:
        log.error("snapshot_not_written", **self._where, error=str(error))


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
