"""Frames that a retrying producer has sent twice, recognised by (producer, boot, sequence)."""

from collections import OrderedDict
from typing import Final

from streams.codec import FrameHeader
from streams.schemas.system import FrameMark

WINDOW: Final = 63
"""Frames may overtake each other by this many; what is older counts as repeated. (JSON readers
elsewhere hold 64-bit numbers with a sign.)"""
MAX_PRODUCERS: Final = 10_000
"""The one that was silent longest is forgotten first: its repeats would count again."""

Key = tuple[str, str]
"""Producer and boot."""


class Repeats:
    """Which of the last sequences of each producer have been seen: a window of bits, as IPsec."""

    def __init__(self, max_producers: int = MAX_PRODUCERS) -> None:
        self._max_producers = max_producers
        self._marks: OrderedDict[Key, FrameMark] = OrderedDict()
        self._forgotten: dict[Key, None] = {}

    def take(self, frame: FrameHeader) -> FrameMark | None:
        """The producer's new mark, or None for a frame that was seen before."""
        key = (frame.producer, frame.boot)
        mark = _advanced(self._marks.get(key), frame)
        if mark is not None:
            self.remember(mark)
        return mark

    def lost(self, producer: str, boot: str) -> int:
        """Frames of a boot that are missing so far."""
        mark = self._marks.get((producer, boot))
        return mark.lost if mark else 0

    def remember(self, mark: FrameMark) -> None:
        """Take up a mark that was stored."""
        key = (mark.producer, mark.boot)
        self._marks[key] = mark
        self._marks.move_to_end(key)
        self._forgotten.pop(key, None)
        # At once, not at the end of a batch: how the log is cut must not matter.
        if len(self._marks) > self._max_producers:
            self._forgotten[self._marks.popitem(last=False)[0]] = None

    def forgotten(self) -> list[Key]:
        """Who has been forgotten since the last call: their stored marks are to be removed."""
        found, self._forgotten = list(self._forgotten), {}
        return found

    def clear(self) -> None:
        self._marks.clear()


def _advanced(mark: FrameMark | None, frame: FrameHeader) -> FrameMark | None:
    if mark is None:
        return FrameMark(
            producer=frame.producer,
            boot=frame.boot,
            sequence=frame.sequence,
            seen=1,
            number=frame.number,
        )
    seen = _seen(mark, frame)
    if seen is None:
        return None
    number, lost = _counted(mark, frame.number)
    sequence = max(mark.sequence, frame.sequence)
    return mark.but(sequence=sequence, seen=seen, number=number, lost=lost)


def _seen(mark: FrameMark, frame: FrameHeader) -> int | None:
    """The bits with the frame among them; None if it was."""
    ahead = frame.sequence - mark.sequence
    if ahead > 0:
        seen = (mark.seen << ahead if ahead < WINDOW else 0) | 1
        return seen & ((1 << WINDOW) - 1)
    if -ahead >= WINDOW or mark.seen >> -ahead & 1:
        return None
    return mark.seen | 1 << -ahead


def _counted(mark: FrameMark, number: int) -> tuple[int, int]:
    """The highest number, and how many below it have not come: one that was overtaken yet may."""
    if not mark.number or not number:
        return max(mark.number, number), mark.lost
    if number > mark.number:
        return number, mark.lost + number - mark.number - 1
    return mark.number, max(0, mark.lost - 1)
