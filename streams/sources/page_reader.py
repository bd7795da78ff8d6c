"""Pages of one target in, their wanted values out, by what was learned of the page before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from streams.sources.prometheus_text import MAX_BYTES, MAX_SAMPLES, read_line

RELOOK: Final = 60
"""So many pages at most are read by memory before one is looked at line by line again: a wanted
series that took the place of an unwanted one would not be noticed otherwise."""
MAX_KNOWN: Final = 500_000


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """What names a line. One object for each: replicas of a model share theirs."""

    name: str
    labels: Mapping[str, str]
    key: bytes


class SeriesBook(dict[bytes, Series]):
    """Every series once, by its text; when there are too many, it begins anew."""

    def note(self, key: bytes, name: str, labels: Mapping[str, str]) -> Series:
        if len(self) > MAX_KNOWN:
            self.clear()
        return self.setdefault(key, Series(name, labels, key))


@dataclass(frozen=True, slots=True)
class Page:
    """Wanted series in the order of their lines, and their values.

    series: the same object as long as the layout of the page is. The rest: as in ``Exposition``.
    """

    series: Sequence[Series]
    values: Sequence[float]
    broken: int = 0
    cut: bool = False
    repeated: int = 0
    timestamped: int = 0


@dataclass(slots=True)
class _Layout:
    """Where the wanted lines stand. before: what a line begins with, up to its value."""

    lines: int = -1
    at: list[int] = field(default_factory=list)
    before: list[bytes] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)


class PageReader:
    """Reads the pages of one target.

    A page mostly has the same lines as the one before, with other numbers. So each line is taken
    apart once; after that, only the wanted lines are looked at, and only what follows their labels.

    wanted: names of metrics, whole.
    """

    def __init__(self, wanted: frozenset[str], book: SeriesBook) -> None:
        self._wanted = frozenset(name.encode() for name in wanted)
        self._book = book
        self._layout = _Layout()
        self._by_memory = 0

    def read(self, text: bytes) -> Page:
        """The wanted lines of a page; of a text that is too long, those of its beginning."""
        lines = text[:MAX_BYTES].split(b"\n")
        layout = self._layout
        if layout.lines == len(lines) and self._by_memory < RELOOK:
            values = _values(lines, layout)
            if values is not None:
                self._by_memory += 1
                return Page(layout.series, values)
        return self._look(lines, cut=len(text) > MAX_BYTES)

    def _look(self, lines: list[bytes], *, cut: bool) -> Page:
        layout, values = _Layout(len(lines)), list[float]()
        seen = set[bytes]()
        broken = repeated = timestamped = 0
        for at, raw in enumerate(lines):
            if _name(raw) not in self._wanted:
                continue
            line = read_line(raw)
            if line is None:
                broken += 1
            elif line.key in seen:
                repeated += 1
            elif len(values) >= MAX_SAMPLES:
                cut = True
                break
            else:
                seen.add(line.key)
                timestamped += line.timestamped
                layout.at.append(at)
                layout.before.append(line.key + raw[len(line.key) : len(line.key) + 1])
                layout.series.append(self._book.note(line.key, line.name, line.labels))
                values.append(line.value)
        self._remember(layout, sound=not (broken or repeated or cut or timestamped))
        return Page(self._layout.series, values, broken, cut, repeated, timestamped)

    def _remember(self, layout: _Layout, *, sound: bool) -> None:
        """What has flaws is looked at each time, so that they are counted each time."""
        if layout.series == self._layout.series:
            layout.series = self._layout.series
        if not sound:
            layout.lines = -1
        self._layout = layout
        self._by_memory = 0


def _name(raw: bytes) -> bytes:
    return raw.partition(b"{")[0].partition(b" ")[0]


def _values(lines: list[bytes], layout: _Layout) -> list[float] | None:
    """None where the page is not the one we know; a value with an instant behind is no number."""
    values = []
    try:
        for at, before in zip(layout.at, layout.before, strict=True):
            line = lines[at]
            if not line.startswith(before):
                return None
            values.append(float(line[len(before) :]))
    except ValueError:
        return None
    return values
