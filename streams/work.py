"""What a log stage does on a partition, and what it needs of the broker for that."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

from streams.batch import Message, RecordBatch
from streams.settings import StreamSettings
from streams.stage import Out
from streams.transaction import Transaction


class LogHandler(Protocol):
    """The thinking of a log stage on one partition; dropped when ownership or a commit is lost."""

    async def restore(self, replay: AsyncIterator[RecordBatch]) -> None:
        """Take in the log before the committed offset again, in silence."""
        ...

    async def handle(self, batch: RecordBatch) -> Sequence[Out]:
        """Outputs of a batch; they and the batch's offset are written together."""
        ...

    async def idle(self, position: int, clock_us: int) -> Sequence[Out]:
        """Nothing to read, about once a second; outputs are written as those of ``handle`` are.

        ``position`` is the end of the log, found after the clock showed ``clock_us``.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How far one partition's thinking has come."""

    watermark_us: int
    """0: not known yet."""
    coverage: float = 1.0
    open_windows: int = 0


@runtime_checkable
class Showing(Protocol):
    """A handler whose state is worth a look, once a second."""

    def shown(self) -> Shown: ...


@runtime_checkable
class Kept(Protocol):
    """A ``LogHandler`` whose state goes into snapshots."""

    meaning: str
    """A state is of use only where this is the same (settings under which it means the same)."""

    def save(self) -> bytes:
        """A copy of everything it remembers; quick, for the partition waits."""
        ...

    def load(self, state: bytes) -> None:
        """Take up what ``save`` of another gave, before anything else.

        Raises SnapshotError; the handler is of no use then.
        """
        ...


class Log(Protocol):
    """What a partition needs of the broker."""

    def want(self, start: int) -> None: ...
    def unwant(self) -> None: ...
    async def is_member(self) -> bool: ...
    async def committed(self) -> int | None: ...
    async def begin(self) -> int:
        """First offset that the log still has."""
        ...

    def replay(self, start: int, end: int) -> AsyncIterator[RecordBatch]: ...
    async def tail(self, topic: str, reach: int) -> tuple[list[Message], bool]:
        """Messages of the last ``reach`` offsets of the same partition of another topic.

        Also whether those are all that it has.
        """
        ...

    def transaction(self) -> Transaction: ...


@dataclass(frozen=True, slots=True)
class AtEnd:
    """The log ended at ``position`` when asked after ``clock_us``."""

    position: int
    clock_us: int


@dataclass(frozen=True, slots=True)
class Recheck:
    """The group assigned anew, or nothing has come although there is more to read."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The process is about to end."""


Item = RecordBatch | AtEnd | Recheck | Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """Where a stage's snapshots go (topic without prefix) and when, see ``SnapshotSettings``."""

    topic: str
    every_s: float
    after_work_s: float
    chunk_bytes: int

    @classmethod
    def of(cls, settings: StreamSettings, topic: str) -> Self:
        return cls(
            topic=topic,
            every_s=settings.snapshots.every_s,
            after_work_s=settings.snapshots.after_work_s,
            chunk_bytes=settings.topics.block_bytes,
        )


def never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a stage does on each of its partitions; see ``attach_log_stage``."""

    stage: str
    handler: Callable[[str, int], LogHandler]
    replay: bool = False
    min_interval_s: float = 0.0
    waits: Callable[[], bool] = never
    keeping: Keeping | None = None
    told_in: str = ""
