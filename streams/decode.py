"""Messages of a raw topic in, records and flaws out: JSON, JSON lines or frames, told by content.

A bad record never costs its neighbours; a frame that lies about itself is one bad record.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, Final

import msgspec

from streams.codec import MAX_FRAME_RECORDS, FrameHeader, decode_frame, is_frame
from streams.errors import CorruptMessageError
from streams.repeats import Repeats
from streams.schemas.system import FrameMark
from streams.windows.check import Reject

if TYPE_CHECKING:
    from streams.batch import Message

MAX_DETAIL_CHARS: Final = 300
MAX_NAME_CHARS: Final = 128
"""Of a producer's and a boot's name."""

_ERRORS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Flaw:
    """A record that is set aside: which of the batch's messages, which line of it, and why."""

    message: int
    line: int
    reject: Reject


@dataclass(slots=True)
class Decoded:
    """A batch, record by record.

    message, line: where each record came from, for as many as there are records.
    marks: the newest mark of every producer that sent frames, to be stored.
    """

    records: list[msgspec.Struct] = field(default_factory=list)
    message: list[int] = field(default_factory=list)
    line: list[int] = field(default_factory=list)
    flaws: list[Flaw] = field(default_factory=list)
    marks: dict[tuple[str, str], FrameMark] = field(default_factory=dict)
    repeated_frames: int = 0
    lines: dict[int, Sequence[bytes]] = field(default_factory=dict)
    """Of messages that hold many records."""

    def raw(self, messages: "Sequence[Message]", message: int, line: int) -> bytes:
        """The bytes of one record."""
        lines = self.lines.get(message)
        return lines[line] if lines is not None else messages[message].value or b""


class Decoder:
    """Reads one kind of record; recognises repeated frames by ``repeats``."""

    def __init__(
        self, record: type[msgspec.Struct], *, max_message_bytes: int, repeats: Repeats
    ) -> None:
        self._read = msgspec.json.Decoder(record).decode
        self._max_message_bytes = max_message_bytes
        self._repeats = repeats

    def decode(self, messages: "Sequence[Message]") -> Decoded:
        """All records of the messages, in order."""
        result = Decoded()
        values = [message.value or b"" for message in messages]
        if max(map(len, values), default=0) > self._max_message_bytes:
            for at, value in enumerate(values):
                if not self._too_large(at, value, result):
                    self._one(at, value, result)
            return result
        for at, value in self._plain(values, result):
            self._one(at, value, result)
        return result

    def _plain(self, values: Sequence[bytes], result: Decoded) -> Iterator[tuple[int, bytes]]:
        """Reads on while a message is one record; stops at each that is not."""
        ahead = iter(values)
        done = 0
        while done < len(values):
            held = len(result.records)
            try:
                result.records.extend(map(self._read, ahead))
            except _ERRORS:
                good = len(result.records) - held
            else:
                good = len(values) - done
            result.message.extend(range(done, done + good))
            result.line.extend(repeat(0, good))
            done += good
            if done < len(values):
                yield done, values[done]
                done += 1

    def _too_large(self, at: int, value: bytes, result: Decoded) -> bool:
        if len(value) <= self._max_message_bytes:
            return False
        detail = f"{len(value)} bytes, allowed are {self._max_message_bytes}"
        result.flaws.append(Flaw(at, 0, Reject("too_large", detail)))
        return True

    def _one(self, at: int, value: bytes, result: Decoded) -> None:
        """A message that may be anything."""
        if is_frame(value):
            self._frame(at, value, result)
        elif (lines := json_lines(value)) is not None:
            self._lines(at, lines, result)
        else:
            self._lines(at, [value], result)

    def _frame(self, at: int, value: bytes, result: Decoded) -> None:
        try:
            header, lines = decode_frame(value)
            _check_names(header)
        except CorruptMessageError as exc:
            result.flaws.append(Flaw(at, 0, Reject("corrupt_frame", _shortened(str(exc)))))
            return
        mark = self._repeats.take(header)
        if mark is None:
            result.repeated_frames += 1
            return
        result.marks.pop((mark.producer, mark.boot), None)  # The newest mark comes last.
        result.marks[mark.producer, mark.boot] = mark
        self._lines(at, lines, result)

    def _lines(self, at: int, lines: Sequence[bytes], result: Decoded) -> None:
        if len(lines) > MAX_FRAME_RECORDS:
            detail = f"{len(lines)} lines, allowed are {MAX_FRAME_RECORDS}"
            result.flaws.append(Flaw(at, 0, Reject("too_large", detail)))
            return
        result.lines[at] = lines
        for number, line in enumerate(lines):
            try:
                record = self._read(line)
            except _ERRORS as exc:
                result.flaws.append(Flaw(at, number, reject_of(exc, line)))
            else:
                result.records.append(record)
                result.message.append(at)
                result.line.append(number)


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


def reject_of(error: Exception, raw: bytes) -> Reject:
    """Why a record could not be decoded."""
    detail = _shortened(str(error))
    if isinstance(error, RecursionError):
        return Reject("too_deep", "nested too deeply")
    if not isinstance(error, msgspec.ValidationError):
        return _not_json(raw, detail)
    if detail.startswith("Object missing required field"):
        return Reject("missing_field", detail)
    if detail.startswith("Invalid enum value"):
        return Reject("unknown_kind", detail)
    if "out of range" in detail:
        return Reject("out_of_range", detail)
    return Reject("wrong_type", detail)


def _not_json(raw: bytes, detail: str) -> Reject:
    """NaN and infinities are not JSON, but deserve a name of their own."""
    found: list[str] = []
    if b"NaN" in raw or b"Infinity" in raw:
        try:
            json.loads(raw, parse_constant=found.append)
        except (ValueError, RecursionError):
            found.clear()
    if found:
        return Reject("not_finite", f"{found[0]} is no number in JSON")
    return Reject("not_json", detail if raw else "the message is empty")


def _check_names(header: FrameHeader) -> None:
    for what, name in (("producer", header.producer), ("boot", header.boot)):
        if not 0 < len(name) <= MAX_NAME_CHARS or not name.isprintable():
            raise CorruptMessageError(
                f"{what} must have 1 to {MAX_NAME_CHARS} characters that can be printed"
            )
    if not 0 <= header.sequence < 2**62:
        raise CorruptMessageError("sequence must be from 0 to 2**62 - 1")


def _shortened(text: str) -> str:
    printable = "".join(char if char.isprintable() else " " for char in text)
    return printable if len(printable) <= MAX_DETAIL_CHARS else printable[:MAX_DETAIL_CHARS] + "…"
