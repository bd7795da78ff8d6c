"""Values read one after the other in, portions of records and the flawed ones out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import msgspec
import numpy as np

from streams.frame_fields import FrameFields, Joined
from streams.frames import ColumnFrame
from streams.rejects import reject_of
from streams.schemas.system import FrameMark
from streams.windows.check import Reject
from streams.windows.fields import Fields, RecordFields
from streams.windows.table import Ints

PORTION: Final = 4_096
"""Records that are read field by field while they are still in the processor's cache: twice as fast
as a whole batch at once."""
FRAMES_PORTION: Final = 32_768
"""Records in frames of columns that are read together."""

ERRORS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Flaw:
    """A record that is set aside: which of the batch's messages, which line of it, and why."""

    message: int
    line: int
    reject: Reject
    raw: bytes


@dataclass(frozen=True, slots=True)
class Framed:
    """A message that is a frame.

    lost: how many frames of the producer turned out to be missing with this one; below 0 where it
        is one that had been missing.
    """

    message: int
    producer: str
    lost: int = 0
    repeated: bool = False


@dataclass(slots=True)
class Decoded:
    """What became of a batch of messages.

    places: message and line of every record, in the order in which they were handed on.
    marks: the newest mark of every producer that sent frames, to be stored.
    """

    places: list[tuple[Ints, Ints]] = field(default_factory=list)
    flaws: list[Flaw] = field(default_factory=list)
    marks: dict[tuple[str, str], FrameMark] = field(default_factory=dict)
    frames: list[Framed] = field(default_factory=list)

    @property
    def repeated_frames(self) -> int:
        return sum(frame.repeated for frame in self.frames)

    @property
    def message(self) -> Ints:
        return np.concatenate([np.zeros(0, np.int64), *(message for message, _ in self.places)])

    @property
    def line(self) -> Ints:
        return np.concatenate([np.zeros(0, np.int64), *(line for _, line in self.places)])


class Portions:
    """Hands records on in portions: those of JSON and those of frames of columns apart."""

    def __init__(
        self,
        read: Callable[[bytes], msgspec.Struct],
        add: Callable[[Fields], None],
        result: Decoded,
    ) -> None:
        self.result = result
        self._read = read
        self._add = add
        self._records: list[msgspec.Struct] = []
        self._places: list[tuple[Ints, Ints]] = []
        self._frames: list[tuple[int, ColumnFrame]] = []
        self._framed = 0

    def read(
        self, values: Sequence[bytes], message: Ints, line: Ints
    ) -> Iterator[tuple[int, Exception]]:
        """Yields those that are no record. ``message``, ``line``: where each value is from."""
        ahead, done = iter(values), 0
        while done < len(values):
            held, error = len(self._records), None
            try:
                self._records.extend(map(self._read, islice(ahead, PORTION - held)))
            except ERRORS as exc:
                error = exc
            begun, done = done, done + len(self._records) - held
            self._places.append((message[begun:done], line[begun:done]))
            if len(self._records) >= PORTION:
                self._hand_on_records()
            if error is not None:
                yield done, error
                done += 1

    def read_lines(self, at: int, lines: Sequence[bytes]) -> None:
        """Records of one message."""
        for line, why in self.read(lines, np.full(len(lines), at), np.arange(len(lines))):
            self.result.flaws.append(Flaw(at, line, reject_of(why, lines[line]), lines[line]))

    def take(self, at: int, frame: ColumnFrame) -> None:
        """The records of one message that is columns."""
        self._frames.append((at, frame))
        self._framed += len(frame)
        if self._framed >= FRAMES_PORTION:
            self._hand_on_frames()

    def hand_on(self) -> None:
        """All that is left."""
        self._hand_on_records()
        self._hand_on_frames()

    def _hand_on_records(self) -> None:
        if self._records:
            self._add(RecordFields(self._records))
            self.result.places += self._places
            self._records, self._places = [], []

    def _hand_on_frames(self) -> None:
        if self._frames:
            self._add(FrameFields(Joined([frame for _, frame in self._frames])))
            sizes = np.array([len(frame) for _, frame in self._frames])
            message = np.repeat([at for at, _ in self._frames], sizes)
            line = np.arange(message.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            self.result.places.append((message, line))
            self._frames, self._framed = [], 0
