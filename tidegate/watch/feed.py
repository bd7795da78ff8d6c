"""What a first look reads from: the pages of engines, or a Prometheus."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from tidegate.watch.understood import Watched


class Feed(Protocol):
    """Records of what is looked at, with their own instants."""

    @property
    def watched(self) -> Sequence[Watched]: ...

    @property
    def interval_s(self) -> int:
        """Length of windows in which each replica has a sample."""
        ...

    @property
    def lateness_s(self) -> float:
        """How long after a window its samples may still come."""
        ...

    @property
    def behind_us(self) -> int:
        """How much older than now the newest samples usually are, beyond that."""
        ...

    def sentences(self) -> list[str]:
        """What was understood, for people."""
        ...

    def past(self, now_us: int) -> AsyncIterator[Sequence[msgspec.Struct]]:
        """What was before, oldest first, piece by piece; nothing where nobody kept it."""
        ...

    async def read(self, now_us: int) -> Sequence[msgspec.Struct]:
        """What is new by ``now_us``. Raises SourceUnavailableError if nothing could be asked."""
        ...
