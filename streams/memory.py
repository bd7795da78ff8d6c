"""The memory of a ticked stage: written along with its commits now and then, used at a restart."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final, Protocol, runtime_checkable

from streams import metrics
from streams.codec import encode_record
from streams.errors import SnapshotError
from streams.log import get_logger
from streams.packing import pack, unpack
from streams.progress import Progress
from streams.settings import StreamSettings
from streams.snapshots import Snapshot, Taken, check_manifest, manifests, snapshot_of, state_of
from streams.stage import Thinker

log = get_logger(__name__)

PREFIX: Final = "memory/"
"""Of its keys among the state objects; a thinker must not use it."""
CHUNKS_PER_COMMIT: Final = 2
REST: Final = 50
"""So many times as long as the last one held up the stage, until the next is taken."""


@runtime_checkable
class Remembering(Protocol):
    """A ``Thinker`` that learns more than fits into the state objects of every step."""

    def remember(self) -> bytes:
        """A copy of all that it knows, as of the last step.

        Raises SnapshotError for what cannot be kept.
        """
        ...

    def recall(self, memory: bytes) -> list[str]:
        """Know what was known then; what did not fit, a sentence each, is learned anew.

        Raises SnapshotError for one that does not fit as a whole; it is not to be used then.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Kept:
    progress: bytes
    memory: bytes


class MemoryKeeper:
    """Snapshots like those of WATCH (streams.keeper), among the state objects of one stage.

    Chunks go out with the ordinary commits that follow, then the manifest, then the tombstones of
    the one before. Who is fenced can write none, and no commit waits for long.
    """

    def __init__(self, stage: str, settings: StreamSettings) -> None:
        self._stage = stage
        self._settings = settings.snapshots
        self._chunk_bytes = settings.topics.block_bytes
        self._keys: list[str] = []
        """Of what stands in the topic."""
        self._waiting: deque[dict[str, bytes | None]] = deque()
        self._encoding: asyncio.Task[Snapshot] | None = None
        self._due_at = asyncio.get_running_loop().time() + self._settings.every_s
        self.worked_s = 0.0
        """Since the last one: to replay takes no longer."""

    def recalled(
        self, make: Callable[[], Thinker], state: dict[str, bytes], committed: Progress
    ) -> tuple[Thinker, Progress]:
        """A thinker as of the newest memory of use, and as of where; takes its own of ``state``."""
        self._keys = [key for key in state if key.startswith(PREFIX)]
        values = {key.removeprefix(PREFIX): state.pop(key) for key in self._keys}
        for manifest in manifests(values):
            thinker = make()
            try:
                check_manifest(manifest, begin=0, committed=committed.now_us, meaning="")
                kept = unpack(state_of(manifest, values), _Kept)
                lost = thinker.recall(kept.memory) if isinstance(thinker, Remembering) else []
            except SnapshotError as exc:
                metrics.SNAPSHOTS_REFUSED.labels(*self._names).inc()
                log.warning("memory_ignored", stage=self._stage, id=manifest.id, reason=str(exc))
            else:
                for reason in lost:
                    log.warning("memory_ignored_in_part", stage=self._stage, reason=reason)
                return thinker, Progress.load(kept.progress)
        return make(), committed

    @property
    def waits(self) -> bool:
        """There is something to write, should nothing come that is committed anyway."""
        return bool(self._waiting) or (self._encoding is not None and self._encoding.done())

    def next_objects(self) -> dict[str, bytes | None]:
        """What the next commit takes along."""
        if self._encoding is not None and self._encoding.done():
            self._plan(self._encoding)
            self._encoding = None
        return self._waiting.popleft() if self._waiting else {}

    async def committed(self, thinker: Thinker, progress: Progress) -> None:
        """Call after a commit, with everything stepped that was due."""
        now = asyncio.get_running_loop().time()
        due = now >= self._due_at or self.worked_s >= self._settings.after_work_s
        if not due or self._waiting or self._encoding is not None:
            return
        if not isinstance(thinker, Remembering):
            return
        try:
            kept = _Kept(progress.dump(), await asyncio.to_thread(thinker.remember))
        except SnapshotError as exc:
            self._not_written(exc)
            return
        taken = Taken(
            offset=progress.now_us,
            last_offset=0,
            last_at_us=progress.now_us,
            partition=0,
            meaning="",
            code=version("tidegate"),
        )
        held_up_s = asyncio.get_running_loop().time() - now
        metrics.SNAPSHOT_PAUSE.labels(*self._names).set(held_up_s)
        self._due_at, self.worked_s = now + max(self._settings.every_s, REST * held_up_s), 0.0
        encode = asyncio.to_thread(snapshot_of, pack(kept), taken, chunk_bytes=self._chunk_bytes)
        self._encoding = asyncio.create_task(encode)

    def _plan(self, encoding: asyncio.Task[Snapshot]) -> None:
        try:
            snapshot = encoding.result()
        except SnapshotError as exc:
            self._not_written(exc)
            return
        metrics.SNAPSHOT_BYTES.labels(*self._names).set(snapshot.manifest.size_bytes)
        chunks = [(PREFIX + key, chunk) for key, chunk in snapshot.chunks.items()]
        for at in range(0, len(chunks), CHUNKS_PER_COMMIT):
            self._waiting.append(dict(chunks[at : at + CHUNKS_PER_COMMIT]))
        name = PREFIX + snapshot.manifest.id
        self._waiting.append({name: encode_record(snapshot.manifest)})
        keys = [name, *(key for key, _ in chunks)]
        if gone := set(self._keys) - set(keys):
            self._waiting.append(dict.fromkeys(sorted(gone)))
        self._keys = keys

    def _not_written(self, error: SnapshotError) -> None:
        self._due_at = asyncio.get_running_loop().time() + self._settings.every_s
        self.worked_s = 0.0
        log.error("memory_not_written", stage=self._stage, error=str(error))

    @property
    def _names(self) -> tuple[str, str]:
        return self._stage, "0"
