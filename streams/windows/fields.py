"""Records of one kind, read field by field, whatever the wire format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from streams.codec import encode_record
from streams.windows.check import Reject, describe
from streams.windows.identity import SeriesIndex
from streams.windows.table import Floats, Ints

Mask = npt.NDArray[np.bool_]

WHOLE_LIMIT: Final = 2**62
"""What does not fit into 64 bits counts as this much, which is beyond every limit."""
_BEYOND: Final = 2.0**1000


class Fields(Protocol):
    """Some records; a place is a number below their length."""

    def __len__(self) -> int: ...

    def whole(self, name: str) -> Ints:
        """A whole number of each record, from -2**62 to 2**62."""
        ...

    def numbers(self, name: str) -> tuple[Ints, Floats]:
        """Places of the records that have a number there, and the numbers."""
        ...

    def has_any(self, names: Sequence[str]) -> bool:
        """Whether any record has a number in any of these."""
        ...

    def filled(self, name: str) -> Mask:
        """Where a text is not empty."""
        ...

    def texts(self, name: str) -> tuple[Ints, Sequence[str]]:
        """Places of the records whose text is not empty, and the texts."""
        ...

    def choices(self, name: str, code_of: Mapping[str, int]) -> Ints:
        """The code of the word that each record has chosen from a closed set."""
        ...

    def series(self, index: SeriesIndex) -> Ints:
        """Codes of the series."""
        ...

    def part(self, places: Ints) -> "Fields": ...

    def unreadable(self) -> Mask:
        """Records that are none, for what the wire format cannot rule out."""
        ...

    def flaw(self, kind: str, place: int) -> Reject:
        """Why the record at ``place`` is unfit."""
        ...

    def json(self, place: int) -> bytes:
        """The record as JSON."""
        ...


@dataclass(frozen=True, slots=True)
class RecordFields:
    """Of decoded records."""

    records: Sequence[msgspec.Struct]

    def __len__(self) -> int:
        return len(self.records)

    def whole(self, name: str) -> Ints:
        read = attrgetter(name)
        try:
            return np.fromiter(map(read, self.records), np.int64, len(self.records))
        except OverflowError:
            clipped = [max(-WHOLE_LIMIT, min(WHOLE_LIMIT, read(each))) for each in self.records]
            return np.array(clipped, np.int64)

    def numbers(self, name: str) -> tuple[Ints, Floats]:
        found = list(map(attrgetter(name), self.records))
        missing = found.count(None)  # Most fields of most records, and the quickest to find out.
        if missing == len(found):
            return np.zeros(0, np.int64), np.zeros(0)
        values = _floats(found)
        places = np.arange(len(found)) if not missing else np.flatnonzero(~np.isnan(values))
        return places, values[places] if missing else values

    def has_any(self, names: Sequence[str]) -> bool:
        found = list(map(attrgetter(*names), self.records))
        return found.count((None,) * len(names)) < len(found)

    def filled(self, name: str) -> Mask:
        found = list(map(attrgetter(name), self.records))
        if found.count("") == len(found):
            return np.zeros(len(found), np.bool_)
        return np.array(list(map(bool, found)), np.bool_)

    def texts(self, name: str) -> tuple[Ints, Sequence[str]]:
        places = np.flatnonzero(self.filled(name))
        return places, [getattr(self.records[place], name) for place in places.tolist()]

    def choices(self, name: str, code_of: Mapping[str, int]) -> Ints:
        chosen = map(code_of.__getitem__, map(attrgetter(name), self.records))
        return np.fromiter(chosen, np.int64, len(self.records))

    def series(self, index: SeriesIndex) -> Ints:
        return index.codes_of(self.records)

    def part(self, places: Ints) -> "RecordFields":
        if places.size == len(self.records):
            return self
        return RecordFields(list(map(self.records.__getitem__, places.tolist())))

    def unreadable(self) -> Mask:
        return np.zeros(len(self.records), np.bool_)

    def flaw(self, kind: str, place: int) -> Reject:
        return describe(kind, self.records[place])

    def json(self, place: int) -> bytes:
        return encode_record(self.records[place])


def _floats(found: Sequence[float | None]) -> Floats:
    """None is NaN; whole numbers beyond floats are beyond every limit too."""
    try:
        return np.array(found, np.float64)
    except OverflowError:
        clipped = [None if value is None else _clipped(value) for value in found]
        return np.array(clipped, np.float64)


def _clipped(value: float) -> float:
    return max(-_BEYOND, min(_BEYOND, value))
