"""Many frames of columns in, ``Fields`` of all their records out."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from streams.frames import PRESENT, Column, ColumnFrame, Shape
from streams.rejects import reject_of
from streams.windows.check import Reject, describe
from streams.windows.fields import Mask
from streams.windows.identity import LABELS, SeriesIndex
from streams.windows.table import Floats, Ints

_MOST_COMBINED: Final = 2**40
"""Combinations of labels are numbered anew before a product could pass 64 bits."""


class Joined:
    """The columns of at least one frame, one frame after the other, each joined when asked for."""

    def __init__(self, frames: Sequence[ColumnFrame]) -> None:
        self.frames = frames
        self.shape: Shape = frames[0].shape
        self.ends: Ints = np.cumsum([len(frame) for frame in frames])
        self._texts: dict[str, tuple[Ints, list[str]]] = {}

    def whole(self, name: str) -> Ints:
        default: int = self.shape.defaults.get(name, 0)
        return self._column(name, default).astype(np.int64)

    def numbers(self, name: str) -> Floats:
        """NaN where there is none; a NaN that was sent is infinite, and so no fit number."""
        default = self.shape.defaults.get(name)
        missing = np.nan if default is None else float(default)
        sent = [name in frame.columns for frame in self.frames]
        if not any(sent):
            return np.full(int(self.ends[-1]), missing)
        values = self._column(name, missing).astype(np.float64)
        there = np.repeat(sent, [len(frame) for frame in self.frames])
        values[np.isnan(values) & there] = np.inf
        values[self._column(name + PRESENT, 1) == 0] = np.nan
        return values

    def texts(self, name: str) -> tuple[Ints, list[str]]:
        """The number of each record's text, and the texts by number."""
        if name not in self._texts:
            number_of: dict[str, int] = {}
            numbers = [self._numbered(frame, name, number_of) for frame in self.frames]
            self._texts[name] = np.concatenate(numbers), list(number_of)
        return self._texts[name]

    def _numbered(self, frame: ColumnFrame, name: str, number_of: dict[str, int]) -> Ints:
        column = frame.columns.get(name)
        if column is None:
            default = self.shape.defaults[name]
            return np.full(len(frame), number_of.setdefault(default, len(number_of)))
        texts = frame.header.texts.get(name, ())
        numbers = [number_of.setdefault(text, len(number_of)) for text in texts]
        numbered: Ints = np.array(numbers, np.int64)[column]
        return numbered

    def _column(self, name: str, default: float) -> Column:
        return np.concatenate(
            [
                column
                if (column := frame.columns.get(name)) is not None
                else np.full(len(frame), default)
                for frame in self.frames
            ]
        )


class FrameFields:
    """``Fields`` of all records of ``joined``, or of those at some places."""

    def __init__(self, joined: Joined, at: Ints | None = None) -> None:
        self._joined = joined
        self._at = np.arange(int(joined.ends[-1])) if at is None else at

    def __len__(self) -> int:
        return self._at.size

    def whole(self, name: str) -> Ints:
        return self._joined.whole(name)[self._at]

    def numbers(self, name: str) -> tuple[Ints, Floats]:
        values = self._joined.numbers(name)[self._at]
        places = np.flatnonzero(~np.isnan(values))
        return places, values[places]

    def has_any(self, names: Sequence[str]) -> bool:
        frames = self._joined.frames
        return any(name in frame.columns for frame in frames for name in names)

    def filled(self, name: str) -> Mask:
        numbers, texts = self._joined.texts(name)
        return np.array([bool(text) for text in texts], np.bool_)[numbers[self._at]]

    def texts(self, name: str) -> tuple[Ints, Sequence[str]]:
        numbers, texts = self._joined.texts(name)
        places = np.flatnonzero(self.filled(name))
        return places, [texts[number] for number in numbers[self._at[places]].tolist()]

    def choices(self, name: str, code_of: Mapping[str, int]) -> Ints:
        numbers, texts = self._joined.texts(name)
        return np.array([code_of.get(text, -1) for text in texts], np.int64)[numbers[self._at]]

    def series(self, index: SeriesIndex) -> Ints:
        columns = [self._joined.texts(name) for name in LABELS[index.kind]]
        key, size = np.zeros(len(self), np.int64), 1
        for numbers, texts in columns:
            if size * len(texts) > _MOST_COMBINED:
                distinct, key = np.unique(key, return_inverse=True)
                size = distinct.size
            key, size = key * len(texts) + numbers[self._at], size * len(texts)
        _, first, which = np.unique(key, return_index=True, return_inverse=True)
        labels = [
            map(texts.__getitem__, numbers[self._at[first]].tolist()) for numbers, texts in columns
        ]
        codes = np.fromiter(map(index.__getitem__, zip(*labels, strict=True)), np.int64, first.size)
        return codes[which]

    def part(self, places: Ints) -> "FrameFields":
        return FrameFields(self._joined, self._at[places])

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
        at = int(self._at[place])
        number = int(np.searchsorted(self._joined.ends, at, side="right"))
        frame = self._joined.frames[number]
        return frame, at - int(self._joined.ends[number]) + len(frame)
