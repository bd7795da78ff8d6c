"""Frames whose body is columns (``docs/schemas/envelope.md``): records or columns <-> bytes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from operator import attrgetter
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec
import numpy as np
import numpy.typing as npt

from streams.codec import (
    FRAME_MAGIC,
    MAX_FRAME_BYTES,
    MAX_FRAME_RECORDS,
    FrameHeader,
    decode_record,
    encode_record,
)
from streams.envelope import Codec, Envelope, seal, unseal
from streams.errors import CorruptMessageError

Column = npt.NDArray[np.generic]
Columns = Mapping[str, Column]

MAX_FRAME_COLUMNS: Final = 100
PRESENT: Final = "?"
"""Ends the name of a column that says, by other than 0, which records have a number."""

_ENVELOPE: Final = Envelope(FRAME_MAGIC, 2, MAX_FRAME_BYTES)
_COUNTING: Final = ("|u1", "<u2", "<u4")
_WHOLE: Final = (*_COUNTING, "|i1", "<i2", "<i4", "<i8")
_DTYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "text": _COUNTING,
    "whole": _WHOLE,
    "number": (*_WHOLE, "<f4", "<f8"),
    "present": ("|u1",),
}


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """How the fields of a record become columns.

    of: field -> ``text``, ``whole`` or ``number``. choices: closed sets of words.
    """

    record: type[msgspec.Struct]
    of: Mapping[str, str]
    defaults: Mapping[str, Any]
    choices: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def dtypes(self, name: str) -> Sequence[str]:
        """What a column may hold; nothing for one that no record has."""
        if name.endswith(PRESENT):
            return _DTYPES["present"] if self.of.get(name[:-1]) == "number" else ()
        return _DTYPES[self.of[name]] if name in self.of else ()


@cache
def shape_of(record: type[msgspec.Struct]) -> Shape:
    """Of a record whose fields are texts and numbers."""
    hints = get_type_hints(record)
    fields = msgspec.structs.fields(record)
    return Shape(
        record,
        {each.name: _sort_of(hints[each.name]) for each in fields},
        {each.name: each.default for each in fields if not each.required},
        {
            name: frozenset(get_args(hint))
            for name, hint in hints.items()
            if get_origin(hint) is Literal
        },
    )


def _sort_of(hint: Any) -> str:
    if hint is str or get_origin(hint) is Literal:
        return "text"
    return "whole" if hint is int else "number"


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """How a body is cut into the columns of a record's fields.

    of: column -> its dtype, and how many bytes of each record lie in the columns before it.
    texts: those that hold numbers of texts.
    """

    of: Mapping[str, tuple[np.dtype[np.generic], int]]
    texts: Sequence[str]
    record_bytes: int

    def column(self, name: str, body: bytes, count: int) -> Column:
        dtype, before = self.of[name]
        return np.frombuffer(body, dtype, count, before * count)


@dataclass(frozen=True)
class ColumnFrame:
    """A frame that matches its lengths, counts and texts; its records may still be unfit."""

    header: FrameHeader
    body: bytes
    layout: Layout
    shape: Shape

    def __len__(self) -> int:
        return self.header.count

    @cached_property
    def columns(self) -> Columns:
        return {name: self.layout.column(name, self.body, len(self)) for name in self.layout.of}

    def values(self, line: int) -> dict[str, Any]:
        """The fields of one record, those with a default left out."""
        return {
            name: self._value(name, column, line)
            for name, column in self.columns.items()
            if name in self.shape.of and self.columns.get(name + PRESENT, _EVERY)[line]
        }

    def json(self, line: int) -> bytes:
        """One record as a producer would have written it (NaN included, which is no JSON)."""
        return json.dumps(self.values(line), ensure_ascii=False, separators=(",", ":")).encode()

    def _value(self, name: str, column: Column, line: int) -> Any:
        value = column[line].item()
        return self.header.texts[name][value] if self.shape.of[name] == "text" else value


class _Every:
    """Says of every record that it has a number."""

    def __getitem__(self, _: int) -> bool:
        return True


_EVERY: Final = _Every()


def encode_records(
    header: FrameHeader, records: Sequence[msgspec.Struct], *, codec: Codec = Codec.LZ4
) -> bytes:
    """Records of one kind, at least one; columns and count of the header are filled in here."""
    shape = shape_of(type(records[0]))
    columns: dict[str, Column] = {}
    texts: dict[str, list[str]] = {}
    for name, sort in shape.of.items():
        values = list(map(attrgetter(name), records))
        if name in shape.defaults and values.count(shape.defaults[name]) == len(values):
            continue
        match sort:
            case "text":
                number = {text: at for at, text in enumerate(dict.fromkeys(values))}
                texts[name] = list(number)
                columns[name] = narrowed([number[text] for text in values])
            case "whole":
                columns[name] = narrowed(values)
            case _:
                columns |= _numbers(name, values)
    return encode_columns(header.but(count=len(records), texts=texts), columns, codec=codec)


def _numbers(name: str, values: Sequence[float | None]) -> Columns:
    present = np.array([value is not None for value in values])
    numbers = np.array([0.0 if value is None else value for value in values], "<f8")
    return {name: numbers} | ({} if present.all() else {name + PRESENT: present.astype("|u1")})


def encode_columns(header: FrameHeader, columns: Columns, *, codec: Codec = Codec.LZ4) -> bytes:
    """Columns as they are; the header says their length and, of texts, what the numbers mean."""
    layout = tuple((name, column.dtype.str) for name, column in columns.items())
    body = b"".join(np.ascontiguousarray(column).tobytes() for column in columns.values())
    return seal(_ENVELOPE, encode_record(header.but(columns=layout)), body, codec)


def narrowed(values: Sequence[int]) -> Column:
    """Whole numbers in as few bytes as hold them all."""
    whole = np.array(values, np.int64)
    low, high = int(whole.min(initial=0)), int(whole.max(initial=0))
    dtypes = _COUNTING if low >= 0 else ("|i1", "<i2", "<i4")
    for dtype in dtypes:
        if low >= np.iinfo(dtype).min and high <= np.iinfo(dtype).max:
            return whole.astype(dtype)
    return whole.astype("<i8")


def is_columns(data: bytes) -> bool:
    return data[:5] == FRAME_MAGIC + bytes([_ENVELOPE.version])


def decode_columns(data: bytes, shape: Shape) -> ColumnFrame:
    """Raises CorruptMessageError for a frame that lies about itself.

    Columns of fields that the record does not have are skipped.
    """
    raw, body = unseal(_ENVELOPE, data)
    header = decode_record(raw, FrameHeader)
    if not 0 <= header.count <= MAX_FRAME_RECORDS:
        raise CorruptMessageError(f"{header.count} records, allowed are {MAX_FRAME_RECORDS}")
    layout = _layout(header.columns, shape)
    if layout.record_bytes * header.count != len(body):
        held = layout.record_bytes * header.count
        raise CorruptMessageError(f"columns hold {held} bytes, the body {len(body)}")
    if header.count:
        for name in layout.texts:
            column = layout.column(name, body, header.count)
            _check_texts(name, column, header.texts.get(name, ()))
    return ColumnFrame(header, body, layout, shape)


# A producer's frames are all alike. Few are kept: who means ill may send names of any length.
@lru_cache(maxsize=32)
def _layout(columns: tuple[tuple[str, str], ...], shape: Shape) -> Layout:
    if len(columns) > MAX_FRAME_COLUMNS:
        raise CorruptMessageError(f"{len(columns)} columns, allowed are {MAX_FRAME_COLUMNS}")
    found: dict[str, tuple[np.dtype[np.generic], int]] = {}
    seen: set[str] = set()
    before = 0
    for name, dtype in columns:
        if name in seen:
            raise CorruptMessageError(f"column {name!r} comes twice")
        if dtype not in _DTYPES["number"]:
            raise CorruptMessageError(f"column {name!r} has dtype {dtype!r}")
        seen.add(name)
        allowed = shape.dtypes(name)
        if allowed and dtype not in allowed:
            raise CorruptMessageError(f"column {name!r} has dtype {dtype!r}, allowed are {allowed}")
        if allowed:
            found[name] = np.dtype(dtype), before
        before += np.dtype(dtype).itemsize
    for name in shape.of.keys() - found.keys():
        if name not in shape.defaults or name + PRESENT in found:
            raise CorruptMessageError(f"column {name!r} is missing")
    texts = [name for name in found if shape.of.get(name) == "text"]
    return Layout(found, texts, before)


def _check_texts(name: str, column: Column, texts: Sequence[str]) -> None:
    last = int(np.maximum.reduce(column))
    if last >= len(texts):
        raise CorruptMessageError(f"column {name!r} names text {last} of {len(texts)}")
