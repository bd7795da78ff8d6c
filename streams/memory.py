"""The memory of a ticked stage: written along with its commits now and then, used at a restart."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final, Protocol, runtime_checkable

from streams.log import get_logger
from streams.packing import pack, unpack
from streams.progress import Progress
from streams.schemas.system import SnapshotManifest
from streams.settings import StreamSettings
from streams.snapshot_writer import SnapshotWriter
from streams.snapshots import Taken, check_manifest, state_of
from streams.stage import Thinker
from streams.work import Keeping

log = get_logger(__name__)

PREFIX: Final = "memory/"
"""Of its keys among the state objects; a thinker must not use it."""
REST: Final = 50
"""Times as long as one held up the stage: the whole of it waits, not one partition of many."""


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
    """Snapshots among the state objects of one stage; the one before goes once one is whole."""

    def __init__(self, stage: str, settings: StreamSettings) -> None:
        keeping = Keeping.of(settings, f"state.{stage}")
        self.writer = SnapshotWriter(keeping, stage, 0, stay=1, rest=REST)
        self._stage = stage

    async def recalled(
        self, make: Callable[[], Thinker], state: dict[str, bytes], committed: Progress
    ) -> tuple[Thinker, Progress]:
        """A thinker as of the newest memory of use, and as of where; takes its own of ``state``."""
        keys = [key for key in state if key.startswith(PREFIX)]
        values = {key.removeprefix(PREFIX): state.pop(key) for key in keys}

        async def take(manifest: SnapshotManifest) -> tuple[Thinker, Progress]:
            check_manifest(manifest, begin=0, committed=committed.now_us, meaning="")
            kept = unpack(state_of(manifest, values), _Kept)
            thinker = make()
            lost = thinker.recall(kept.memory) if isinstance(thinker, Remembering) else []
            for reason in lost:
                log.warning("memory_ignored_in_part", stage=self._stage, reason=reason)
            return thinker, Progress.load(kept.progress)

        return await self.writer.newest(values, take) or (make(), committed)

    def next_objects(self) -> dict[str, bytes | None]:
        """What the next commit takes along."""
        return {PREFIX + key: value for key, value in self.writer.next().items()}

    async def committed(self, thinker: Thinker, progress: Progress) -> None:
        """Call after a commit, with everything stepped that was due."""
        if not isinstance(thinker, Remembering) or not self.writer.due:
            return
        taken = Taken(offset=progress.now_us, code=version("tidegate"))
        await self.writer.begin(lambda: pack(_Kept(progress.dump(), thinker.remember())), taken)
