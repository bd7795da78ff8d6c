"""Rows of a buffer in, frames out; rows that fit no frame are counted and left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Callable, Final

from tidegate_client.backlog import Frame
from tidegate_client.errors import UnfitRecordError
from tidegate_client.frames import Identity, encode
from tidegate_client.records import Row
from tidegate_client.tally import Tally

MAX_FRAME_BYTES: Final = 900_000
"""The topics of Tidegate take 1,000,000."""

Complain = Callable[[str, str], None]


class Packer:
    """Numbers the frames of a process, and besides those of each topic: 1, 2, 3, ..."""

    def __init__(self, who: Identity, tally: Tally, complain: Complain) -> None:
        self._who = who
        self._tally = tally
        self._complain = complain
        self._sequence = 0
        self._numbers: dict[str, int] = {}

    def frames(self, topic: str, rows: list[Row]) -> Iterator[Frame]:
        """As few as can be."""
        if not rows:
            return
        try:
            number = self._numbers.get(topic, 0) + 1
            data = encode(topic, rows, self._who, self._sequence + 1, number)
        except UnfitRecordError as exc:
            yield from self._parted(topic, rows, str(exc))
            return
        if len(data) > MAX_FRAME_BYTES:
            yield from self._parted(topic, rows, f"a record of {topic} has {len(data)} bytes")
            return
        self._sequence += 1
        self._numbers[topic] = number
        yield Frame(topic, self._who.boot, self._sequence, len(rows), data)

    def _parted(self, topic: str, rows: list[Row], flaw: str) -> Iterator[Frame]:
        """Halves, and halves of those, until what does not fit is alone."""
        if len(rows) == 1:
            self._tally.drop("unfit", 1)
            self._complain(f"unfit {topic!r}", f"{flaw}; dropped, as all like it")
            return
        middle = len(rows) // 2
        yield from self.frames(topic, rows[:middle])
        yield from self.frames(topic, rows[middle:])
