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
from streams.rejects import reject_of, shortened
from streams.repeats import Repeats
from streams.schemas.system import FrameMark
from streams.windows.check import Reject
from streams.windows.fields import Fields, RecordFields
from streams.windows.table import Ints

PORTION: Final = 2_048
"""Records that are read field by field while they are still in the processor's cache: twice as fast
as a whole batch at once."""
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
    """Reads one kind of record; recognises repeated frames by ``repeats``."""

    def __init__(
        self, record: type[msgspec.Struct], *, max_message_bytes: int, repeats: Repeats
    ) -> None:
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
        try:
            lines = self._unpacked(value, reader.result)
        except CorruptMessageError as exc:
            corrupt = Reject("corrupt_frame", shortened(str(exc)))
            reader.result.flaws.append(Flaw(at, 0, corrupt, value))
            return
        if lines is None:
            reader.result.flaws.append(Flaw(at, 0, reject_of(error, value), value))
        elif len(lines) > MAX_FRAME_RECORDS:
            detail = f"{len(lines)} lines, allowed are {MAX_FRAME_RECORDS}"
            reader.result.flaws.append(Flaw(at, 0, Reject("too_large", detail), value))
        else:
            for line, why in reader.read(lines, np.full(len(lines), at), np.arange(len(lines))):
                flaw = Flaw(at, line, reject_of(why, lines[line]), lines[line])
                reader.result.flaws.append(flaw)

    def _unpacked(self, value: bytes, result: Decoded) -> Sequence[bytes] | None:
        """The records of a frame that was not seen before, or of JSON lines."""
        if not is_frame(value):
            return json_lines(value)
        header, lines = decode_frame(value)
        _check_names(header)
        mark = self._repeats.take(header)
        if mark is None:
            result.repeated_frames += 1
            return ()
        result.marks.pop((mark.producer, mark.boot), None)  # The newest mark comes last.
        result.marks[mark.producer, mark.boot] = mark
        return lines


class _Reader:
    """Reads JSON records one after the other and hands them on in portions."""

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
            self.result.places.append((message[begun:done], line[begun:done]))
            if len(self._records) >= PORTION:
                self.hand_on()
            if error is not None:
                yield done, error
                done += 1

    def hand_on(self) -> None:
        if self._records:
            self._add(RecordFields(self._records))
            self._records = []


def lines_of(value: bytes) -> Sequence[bytes]:
    """The bytes of each record of a message that was decoded before."""
    if is_frame(value):
        try:
            return decode_frame(value)[1]
        except CorruptMessageError:
            return [value]
    return json_lines(value) or [value]


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
