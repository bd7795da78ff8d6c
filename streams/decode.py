"""Messages of a raw topic in, records and flaws out: JSON, JSON lines or frames, told by content.

A bad record never costs its neighbours; a frame that lies about itself is one bad record.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import msgspec
import numpy as np

from streams.codec import MAX_FRAME_RECORDS, FrameHeader, decode_frame, is_frame
from streams.errors import CorruptMessageError
from streams.frame_fields import FrameFields, Joined
from streams.frames import ColumnFrame, Shape, decode_columns, is_columns
from streams.rejects import reject_of, shortened
from streams.repeats import Repeats
from streams.schemas.system import FrameMark
from streams.windows.check import Reject
from streams.windows.fields import Fields, RecordFields
from streams.windows.table import Ints

PORTION: Final = 4_096
"""Records that are read field by field while they are still in the processor's cache: twice as fast
as a whole batch at once."""
FRAMES_PORTION: Final = 32_768
"""Records in frames of columns that are read together."""
MAX_NAME_CHARS: Final = 128
"""Of a producer's and a boot's name."""

_ERRORS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Flaw:
    """A record that is set aside: which of the batch's messages, which line of it, and why."""

    message: int
    line: int
    reject: Reject
    raw: bytes


@dataclass(slots=True)
class Decoded:
    """What became of a batch of messages.

    places: message and line of every record, in the order in which they were handed on.
    marks: the newest mark of every producer that sent frames, to be stored.
    """

    places: list[tuple[Ints, Ints]] = field(default_factory=list)
    flaws: list[Flaw] = field(default_factory=list)
    marks: dict[tuple[str, str], FrameMark] = field(default_factory=dict)
    repeated_frames: int = 0

    @property
    def message(self) -> Ints:
        return np.concatenate([np.zeros(0, np.int64), *(message for message, _ in self.places)])

    @property
    def line(self) -> Ints:
        return np.concatenate([np.zeros(0, np.int64), *(line for _, line in self.places)])


class Decoder:
    """Reads one kind of record; recognises repeated frames by ``repeats``.

    shape: how frames of columns hold these records; None if they must not come that way.
    """

    def __init__(
        self,
        record: type[msgspec.Struct],
        *,
        max_message_bytes: int,
        repeats: Repeats,
        shape: Shape | None = None,
    ) -> None:
        self._shape = shape
        self._read = msgspec.json.Decoder(record).decode
        self._max_message_bytes = max_message_bytes
        self._repeats = repeats

    def decode(self, values: Sequence[bytes | None], add: Callable[[Fields], None]) -> Decoded:
        """Hands all records of the messages on to ``add``, in portions."""
        result = Decoded()
        reader = _Reader(self._read, add, result)
        message, fitting = self._fitting(values, result)
        for place, error in reader.read(fitting, message, np.zeros(message.size, np.int64)):
            self._other(int(message[place]), fitting[place], error, reader)
        reader.hand_on()
        return result

    def raw_of(self, value: bytes) -> Callable[[int], bytes]:
        """Line -> the bytes of a record, of a message from which records were read."""
        if not is_frame(value):
            return (json_lines(value) or [value]).__getitem__
        if is_columns(value) and self._shape is not None:
            return decode_columns(value, self._shape).json
        return decode_frame(value)[1].__getitem__

    def _fitting(
        self, values: Sequence[bytes | None], result: Decoded
    ) -> tuple[Ints, Sequence[bytes]]:
        """The messages that are not too large, and which of all they are."""
        found = [value or b"" for value in values]
        size = np.fromiter(map(len, found), np.int64, len(found))
        large = size > self._max_message_bytes
        for at in np.flatnonzero(large).tolist():
            detail = f"{size[at]} bytes, allowed are {self._max_message_bytes}"
            result.flaws.append(Flaw(at, 0, Reject("too_large", detail), found[at]))
        kept = np.flatnonzero(~large)
        return kept, found if kept.size == len(found) else [found[at] for at in kept.tolist()]

    def _other(self, at: int, value: bytes, error: Exception, reader: "_Reader") -> None:
        """A message that is not one record."""
        flaws = reader.result.flaws
        try:
            if is_frame(value):
                self._frame(at, value, reader)
                return
        except CorruptMessageError as exc:
            flaws.append(Flaw(at, 0, Reject("corrupt_frame", shortened(str(exc))), value))
            return
        lines = json_lines(value)
        if lines is None:
            flaws.append(Flaw(at, 0, reject_of(error, value), value))
        elif len(lines) > MAX_FRAME_RECORDS:
            detail = f"{len(lines)} lines, allowed are {MAX_FRAME_RECORDS}"
            flaws.append(Flaw(at, 0, Reject("too_large", detail), value))
        else:
            reader.read_lines(at, lines)

    def _frame(self, at: int, value: bytes, reader: "_Reader") -> None:
        if is_columns(value) and self._shape is not None:
            frame = decode_columns(value, self._shape)
            if self._is_new(frame.header, reader.result):
                reader.take(at, frame)
            return
        header, lines = decode_frame(value)
        if self._is_new(header, reader.result):
            reader.read_lines(at, lines)

    def _is_new(self, header: FrameHeader, result: Decoded) -> bool:
        """Whether the frame has not been seen before."""
        _check_names(header)
        mark = self._repeats.take(header)
        if mark is None:
            result.repeated_frames += 1
            return False
        result.marks.pop((mark.producer, mark.boot), None)  # The newest mark comes last.
        result.marks[mark.producer, mark.boot] = mark
        return True


class _Reader:
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
            except _ERRORS as exc:
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
            message = np.repeat([at for at, _ in self._frames], [len(f) for _, f in self._frames])
            line = np.concatenate([np.arange(len(frame)) for _, frame in self._frames])
            self.result.places.append((message, line))
            self._frames, self._framed = [], 0


def json_lines(value: bytes) -> list[bytes] | None:
    """The lines that are not blank, if this is JSON lines; None for one document over many lines.

    In JSON lines some line is an object by itself.
    """
    if b"\n" not in value.strip():
        return None
    if value.count(b"\n") > MAX_FRAME_RECORDS:
        return value.split(b"\n", MAX_FRAME_RECORDS + 1)
    lines = [line for line in map(bytes.strip, value.split(b"\n")) if line]
    whole = any(line.startswith(b"{") and line.endswith(b"}") for line in lines)
    return lines if whole else None


def _check_names(header: FrameHeader) -> None:
    for what, name in (("producer", header.producer), ("boot", header.boot)):
        if not 0 < len(name) <= MAX_NAME_CHARS or not name.isprintable():
            raise CorruptMessageError(
                f"{what} must have 1 to {MAX_NAME_CHARS} characters that can be printed"
            )
    if not 0 <= header.sequence < 2**62:
        raise CorruptMessageError("sequence must be from 0 to 2**62 - 1")
