"""Many frames of columns in, ``Fields`` of all their records out."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final

import msgspec
import numpy as np

from streams.frames import PRESENT, Column, ColumnFrame, Shape
from streams.rejects import reject_of
from streams.windows.check import Reject, describe
from streams.windows.distinct import distinct
from streams.windows.fields import Mask
from streams.windows.identity import LABELS, SeriesIndex
from streams.windows.table import Floats, Ints

_MOST_COMBINED: Final = 2**40
"""Combinations of labels are numbered anew before a product could pass 64 bits."""


class Alike:
    """Neighbouring frames of as many records each, laid out alike: cut into columns in one go."""

    def __init__(self, frames: Sequence[ColumnFrame]) -> None:
        self.frames = frames
        self.layout = frames[0].layout
        self._count = len(frames[0])
        bodies = b"".join([frame.body for frame in frames])
        self._bodies = np.frombuffer(bodies, "|u1").reshape(len(frames), len(frames[0].body))

    def __len__(self) -> int:
        return len(self.frames) * self._count

    def column(self, name: str) -> Column | None:
        if name not in self.layout.of:
            return None
        dtype, before = self.layout.of[name]
        start, end = before * self._count, (before + dtype.itemsize) * self._count
        return np.ascontiguousarray(self._bodies[:, start:end]).view(dtype).reshape(-1)

    def numbered(self, name: str, number_of: dict[str, int], default: str | None) -> Ints:
        """The number of each record's text; texts that are new get the next ones."""
        column = self.column(name)
        if column is None:
            return np.full(len(self), _numbers([default or ""], number_of))
        texts = [frame.header.texts.get(name, ()) for frame in self.frames]
        sizes = np.array(list(map(len, texts)))
        first = np.repeat(np.cumsum(sizes) - sizes, self._count)
        numbers: Ints = _numbers([text for each in texts for text in each], number_of)[
            first + column
        ]
        return numbers


class Joined:
    """The columns of at least one frame, one frame after the other, each joined when asked for."""

    def __init__(self, frames: Sequence[ColumnFrame]) -> None:
        self.frames = frames
        self.shape: Shape = frames[0].shape
        self.ends: Ints = np.cumsum([len(frame) for frame in frames])
        alike = groupby(frames, key=lambda frame: (id(frame.layout), len(frame)))
        self._parts = [Alike(list(part)) for _, part in alike]
        self._texts: dict[str, tuple[Ints, list[str]]] = {}

    def has(self, name: str) -> bool:
        """Whether any frame has such a column."""
        return any(name in part.layout.of for part in self._parts)

    def whole(self, name: str) -> Ints:
        default: int = self.shape.defaults.get(name, 0)
        return self._column(name, default).astype(np.int64)

    def numbers(self, name: str) -> Floats:
        """NaN where there is none; a NaN that was sent is infinite, and so no fit number."""
        default = self.shape.defaults.get(name)
        missing = np.nan if default is None else float(default)
        values = self._column(name, missing).astype(np.float64)
        sent = [name in part.layout.of for part in self._parts]
        there = np.repeat(sent, list(map(len, self._parts)))
        values[np.isnan(values) & there] = np.inf
        if self.has(name + PRESENT):
            values[self._column(name + PRESENT, 1) == 0] = np.nan
        return values

    def texts(self, name: str) -> tuple[Ints, list[str]]:
        """The number of each record's text, and the texts by number."""
        if name not in self._texts:
            number_of: dict[str, int] = {}
            default = self.shape.defaults.get(name)
            numbers = [part.numbered(name, number_of, default) for part in self._parts]
            self._texts[name] = np.concatenate(numbers), list(number_of)
        return self._texts[name]

    def _column(self, name: str, default: float) -> Column:
        return np.concatenate(
            [
                np.full(len(part), default) if (column := part.column(name)) is None else column
                for part in self._parts
            ]
        )


def _numbers(texts: Sequence[str], number_of: dict[str, int]) -> Ints:
    return np.array([number_of.setdefault(text, len(number_of)) for text in texts], np.int64)


class FrameFields:
    """``Fields`` of all records of ``joined``, or of those at some places."""

    def __init__(self, joined: Joined, at: Ints | None = None) -> None:
        self._joined = joined
        self._at: Ints | slice = slice(None) if at is None else at
        self._size = int(joined.ends[-1]) if at is None else at.size

    def __len__(self) -> int:
        return self._size

    def whole(self, name: str) -> Ints:
        return self._joined.whole(name)[self._at]

    def numbers(self, name: str) -> tuple[Ints, Floats]:
        if not self._joined.has(name) and self._joined.shape.defaults.get(name) is None:
            return np.zeros(0, np.int64), np.zeros(0)
        values = self._joined.numbers(name)[self._at]
        places = np.flatnonzero(~np.isnan(values))
        return places, values[places]

    def has_any(self, names: Sequence[str]) -> bool:
        return any(map(self._joined.has, names))

    def filled(self, name: str) -> Mask:
        numbers, texts = self._joined.texts(name)
        return np.array([bool(text) for text in texts], np.bool_)[numbers[self._at]]

    def texts(self, name: str) -> tuple[Ints, Sequence[str]]:
        numbers, texts = self._joined.texts(name)
        places = np.flatnonzero(self.filled(name))
        return places, [texts[number] for number in numbers[self._at][places].tolist()]

    def choices(self, name: str, code_of: Mapping[str, int]) -> Ints:
        numbers, texts = self._joined.texts(name)
        return np.array([code_of.get(text, -1) for text in texts], np.int64)[numbers[self._at]]

    def series(self, index: SeriesIndex) -> Ints:
        columns = [self._joined.texts(name) for name in LABELS[index.kind]]
        found, which = distinct(*_combined([(at[self._at], len(texts)) for at, texts in columns]))
        example = np.empty(found.size, np.int64)
        example[which] = np.arange(which.size)
        labels = [map(texts.__getitem__, at[self._at][example].tolist()) for at, texts in columns]
        codes = np.fromiter(map(index.__getitem__, zip(*labels, strict=True)), np.int64, found.size)
        return codes[which]

    def part(self, places: Ints) -> "FrameFields":
        if places.size == self._size:
            return self
        at = places if isinstance(self._at, slice) else self._at[places]
        return FrameFields(self._joined, at)

    def unreadable(self) -> Mask:
        """Words that are not in their closed set."""
        bad = np.zeros(len(self), np.bool_)
        for name, allowed in self._joined.shape.choices.items():
            numbers, texts = self._joined.texts(name)
            wrong = np.array([text not in allowed for text in texts], np.bool_)
            bad |= wrong[numbers[self._at]]
        return bad

    def flaw(self, kind: str, place: int) -> Reject:
        frame, line = self._find(place)
        try:
            record = msgspec.convert(frame.values(line), self._joined.shape.record)
        except msgspec.ValidationError as exc:
            return reject_of(exc, b"")
        return describe(kind, record)

    def json(self, place: int) -> bytes:
        frame, line = self._find(place)
        return frame.json(line)

    def _find(self, place: int) -> tuple[ColumnFrame, int]:
        at = place if isinstance(self._at, slice) else int(self._at[place])
        number = int(np.searchsorted(self._joined.ends, at, side="right"))
        frame = self._joined.frames[number]
        return frame, at - int(self._joined.ends[number]) + len(frame)


def _combined(columns: Sequence[tuple[Ints, int]]) -> tuple[Ints, int]:
    """A number for each combination, and what all are below; each column comes with the same."""
    key, size = columns[0]
    for numbers, count in columns[1:]:
        if size * count > _MOST_COMBINED:
            found, key = np.unique(key, return_inverse=True)
            size = found.size
        if count > 1:
            key, size = key * count + numbers, size * count
    return key, size
