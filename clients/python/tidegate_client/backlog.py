"""Frames wait here until the broker has them: in memory, or on disk (``spool.py``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from tidegate_client.tally import Tally

IN_FLIGHT: Final = 8
"""Frames on the way at once. Sent again they come late; Tidegate forgives up to 63."""


class Frame(NamedTuple):
    """A frame and what it takes to send it."""

    topic: str
    boot: str
    sequence: int
    records: int
    data: bytes


class Backlog(Protocol):
    """Frames in the order in which they were made."""

    def has_room(self) -> bool:
        """Whether more should be put; what is not put waits as rows, which are cheaper to drop."""
        ...

    def put(self, frame: Frame) -> None:
        """Behind all others."""
        ...

    def head(self) -> Sequence[Frame]:
        """The oldest, as many as may be on the way at once."""
        ...

    def remove(self, frame: Frame) -> bool:
        """Whether it was still there: it may have had to make room."""
        ...

    def close(self) -> None:
        """Nothing comes after this; what is left is counted."""
        ...

    def abandon(self) -> None:
        """In a forked child: let go of what belongs to the parent, and touch none of it."""
        ...


class InMemory:
    """As many frames as may be on the way."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._frames: list[Frame] = []

    def has_room(self) -> bool:
        return len(self._frames) < IN_FLIGHT

    def put(self, frame: Frame) -> None:
        self._frames.append(frame)

    def head(self) -> Sequence[Frame]:
        return self._frames[:IN_FLIGHT]

    def remove(self, frame: Frame) -> bool:
        if frame not in self._frames:
            return False
        self._frames.remove(frame)
        return True

    def close(self) -> None:
        self._tally.drop("closed", sum(frame.records for frame in self._frames))
        self._frames.clear()

    def abandon(self) -> None:
        self._frames.clear()
