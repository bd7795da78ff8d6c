"""Messages of a raw topic in, records and flaws out: JSON, JSON lines or frames, told by content.

A bad record never costs its neighbours; a frame that lies about itself is one bad record.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import msgspec
import numpy as np

from streams.codec import MAX_FRAME_RECORDS, FrameHeader, decode_frame, is_frame
from streams.errors import CorruptMessageError
from streams.frames import Shape, decode_columns, is_columns
from streams.portions import ERRORS, Decoded, Flaw, Framed, Portions
from streams.rejects import reject_of, shortened
from streams.repeats import Repeats
from streams.windows.check import Reject
from streams.windows.fields import Fields
from streams.windows.table import Ints

MAX_NAME_CHARS: Final = 128
"""Of a producer's and a boot's name."""


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
        reader = Portions(self._read, add, result)
        message, fitting = self._fitting(values, result)
        for place, error in reader.read(fitting, message, np.zeros(message.size, np.int64)):
            self._other(int(message[place]), fitting[place], error, reader)
        reader.hand_on()
        return result

    def raw_of(self, value: bytes) -> Callable[[int], bytes]:
        """Line -> the bytes of a record, of a message from which records were read."""
        if is_columns(value) and self._shape is not None:
            return decode_columns(value, self._shape).json
        if is_frame(value):
            return decode_frame(value)[1].__getitem__
        with suppress(*ERRORS):
            self._read(value)
            return [value].__getitem__  # One document, though some line may look like another.
        return (json_lines(value) or [value]).__getitem__

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

    def _other(self, at: int, value: bytes, error: Exception, reader: Portions) -> None:
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

    def _frame(self, at: int, value: bytes, reader: Portions) -> None:
        if is_columns(value) and self._shape is not None:
            frame = decode_columns(value, self._shape)
            if self._is_new(at, frame.header, reader.result):
                reader.take(at, frame)
            return
        header, lines = decode_frame(value)
        if self._is_new(at, header, reader.result):
            reader.read_lines(at, lines)

    def _is_new(self, at: int, header: FrameHeader, result: Decoded) -> bool:
        """Whether the frame has not been seen before."""
        _check_names(header)
        lost = self._repeats.lost(header.producer, header.boot)
        mark = self._repeats.take(header)
        if mark is None:
            result.frames.append(Framed(at, header.producer, repeated=True))
            return False
        result.frames.append(Framed(at, header.producer, mark.lost - lost))
        result.marks.pop((mark.producer, mark.boot), None)  # The newest mark comes last.
        result.marks[mark.producer, mark.boot] = mark
        return True


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
    for what, number in (("sequence", header.sequence), ("number", header.number)):
        if not 0 <= number < 2**62:
            raise CorruptMessageError(f"{what} must be from 0 to 2**62 - 1")
