"""Rows in, frames out: many records in one message, as columns or as JSON lines.

Byte by byte: docs/schemas/envelope.md of Tidegate. A frame is identified by (producer, boot,
sequence), so one that is sent twice is counted once.
"""

from __future__ import annotations

import json
import struct
import sys
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from tidegate_client.crc32c import crc32c
from tidegate_client.errors import UnfitRecordError
from tidegate_client.fields import FIELDS, Field
from tidegate_client.records import Row

_START: Final = struct.Struct("<4sBBHI")
_LENGTHS: Final = struct.Struct("<III")
_CHECKED_FROM: Final = _START.size
_LINES, _COLUMNS, _NOT_COMPRESSED = 1, 2, 0
_WHOLE: Final = ((1 << 8, "B", "|u1"), (1 << 16, "H", "<u2"), (1 << 32, "I", "<u4"))

Header = dict[str, Any]
Columns = Iterator[tuple[str, str, bytes]]


class Identity(NamedTuple):
    """Who makes frames: a name, and a word that is new each time a process starts."""

    producer: str
    boot: str


def encode(topic: str, rows: Sequence[Row], who: Identity, sequence: int, number: int = 0) -> bytes:
    """One frame. Raises UnfitRecordError if some value is not of its field's sort.

    number: among the frames of its topic, by which a reader knows that one is missing.
    """
    header = {"producer": who.producer, "boot": who.boot, "sequence": sequence, "count": len(rows)}
    header.update({"number": number} if number else {})
    fields = FIELDS[topic]
    try:
        if any(field.sort == "attributes" for field in fields):
            return _seal(_LINES, header, b"\n".join(_line(fields, row) for row in rows))
        return _seal(_COLUMNS, header, _columns(fields, rows, header))
    except (TypeError, ValueError, OverflowError) as exc:
        raise UnfitRecordError(f"a record of {topic} is unfit: {exc}") from exc


def is_sound(frame: bytes) -> bool:
    """Whether the frame is as it was made: a file of them may have been cut off."""
    if len(frame) < _CHECKED_FROM + _LENGTHS.size or frame[:4] != b"TGF1":
        return False
    return bool(_START.unpack_from(frame)[4] == crc32c(frame[_CHECKED_FROM:]))


def _seal(version: int, header: Header, body: bytes) -> bytes:
    head = json.dumps(header, separators=(",", ":")).encode()
    checked = _LENGTHS.pack(len(head), len(body), len(body)) + head + body
    return _START.pack(b"TGF1", version, _NOT_COMPRESSED, 0, crc32c(checked)) + checked


def _line(fields: Sequence[Field], row: Row) -> bytes:
    values = {
        field.name: _checked(field, value)
        for field, value in zip(fields, row)
        if value != field.default
    }
    return json.dumps(values, allow_nan=False, separators=(",", ":")).encode()


def _checked(field: Field, value: Any) -> Any:
    if field.sort == "text":
        _check_texts([value])
    elif field.sort == "attributes":
        _check_texts([*value.keys(), *value.values()])
    return value if field.sort != "whole" else value.__index__()


def _columns(fields: Sequence[Field], rows: Sequence[Row], header: Header) -> bytes:
    layout: list[tuple[str, str]] = []
    texts: dict[str, list[str]] = {}
    body: list[bytes] = []
    for field, values in zip(fields, zip(*rows)):
        if values.count(field.default) == len(values):
            continue
        if field.sort == "text":
            _check_texts(values)
            number = {text: at for at, text in enumerate(dict.fromkeys(values))}
            texts[field.name] = list(number)
            made = _whole(field.name, [number[text] for text in values])
        else:
            made = (_whole if field.sort == "whole" else _numbers)(field.name, values)
        for name, dtype, data in made:
            layout.append((name, dtype))
            body.append(data)
    header.update(columns=layout, texts=texts)
    return b"".join(body)


def _check_texts(values: Sequence[Any]) -> None:
    if set(map(type, values)) - {str}:
        raise TypeError(f"expected text, got {next(v for v in values if type(v) is not str)!r}")
    # Half a surrogate pair is text in Python, but not in UTF-8: the whole frame would be corrupt.
    "".join(set(values)).encode()


def _whole(name: str, values: Sequence[int]) -> Columns:
    most = max(values)
    code, dtype = "q", "<i8"
    if min(values) >= 0:
        code, dtype = next((kind[1:] for kind in _WHOLE if most < kind[0]), (code, dtype))
    yield name, dtype, _little(array(code, values))


def _numbers(name: str, values: Sequence[Any]) -> Columns:
    if None in values:
        yield name + "?", "|u1", bytes([value is not None for value in values])
        values = [0.0 if value is None else value for value in values]
    yield name, "<f8", _little(array("d", values))


def _little(values: array[Any]) -> bytes:
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()
