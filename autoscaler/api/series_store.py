"""The last minutes of every series at the resolution of its windows, for charts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.banks.base import Rows
from detectors.explain import Past
from streams.clock import SECOND_US
from streams.windows.table import Floats, Ints

SPAN_S: Final = 900
MAX_SERIES: Final = 300
"""Of a kind."""


@dataclass(frozen=True, slots=True)
class Line:
    """One value of one series: ``values[i]`` is of the window that starts at ``at_us[i]``."""

    kind: str
    labels: Mapping[str, str]
    value: str
    at_us: Ints
    values: Floats


class _Ring:
    """Columns by value name; the slot of a window is its second modulo the span."""

    def __init__(self, labels: Mapping[str, str], span_s: int) -> None:
        self.labels = labels
        self.newest_us = -1
        self._at_us = np.full(span_s, -1, np.int64)
        self._columns: dict[str, Floats] = {}

    def put(self, window_us: int, values: Mapping[str, float]) -> None:
        slot = window_us // SECOND_US % self._at_us.size
        if self._at_us[slot] > window_us:
            return  # a replayed block must not overwrite what came a round later
        self._at_us[slot] = window_us
        self.newest_us = max(self.newest_us, window_us)
        for column in self._columns.values():
            column[slot] = np.nan
        for name, value in values.items():
            if value == value:  # noqa: PLR0124 - NaN: nothing was seen, no column for it
                self._column(name)[slot] = value

    def line(self, name: str, since_us: int) -> tuple[Ints, Floats] | None:
        column = self._columns.get(name)
        if column is None:
            return None
        order = self._order(since_us)
        return self._at_us[order], column[order]

    def past(self) -> Past:
        order = self._order(0)
        return Past(self._at_us[order], {name: one[order] for name, one in self._columns.items()})

    def _order(self, since_us: int) -> Rows:
        """Slots in the order of their windows."""
        oldest = self.newest_us - (self._at_us.size - 1) * SECOND_US
        chosen = np.flatnonzero(self._at_us >= max(since_us, oldest, 0))
        return chosen[np.argsort(self._at_us[chosen])]

    def _column(self, name: str) -> Floats:
        if name not in self._columns:
            self._columns[name] = np.full(self._at_us.size, np.nan)
        return self._columns[name]


class SeriesStore:
    """Derived values of at most ``max_series`` series per kind; the stalest one goes."""

    def __init__(self, *, span_s: int = SPAN_S, max_series: int = MAX_SERIES) -> None:
        self.evicted = 0
        self._span_s = span_s
        self._max_series = max_series
        self._rings: dict[str, dict[int, _Ring]] = {}

    def put(
        self,
        kind: str,
        series: int,
        labels: Mapping[str, str],
        window_us: int,
        values: Mapping[str, float],
    ) -> None:
        """Take in one window; the same window again replaces it."""
        rings = self._rings.setdefault(kind, {})
        if series not in rings:
            self._make_room(rings)
            rings[series] = _Ring(dict(labels), self._span_s)
        elif labels:
            rings[series].labels = labels  # Attributes change: who holds a GPU, for one.
        rings[series].put(window_us, values)

    def lines(
        self, kind: str, value: str, where: Mapping[str, str] | None = None, since_us: int = 0
    ) -> Sequence[Line]:
        """One line for each series that has all labels of ``where`` and ever showed the value."""
        found = []
        for _, ring in self._with(kind, where or {}):
            if (points := ring.line(value, since_us)) is not None:
                found.append(Line(kind, ring.labels, value, *points))
        return found

    def past(self, kind: str, series: int) -> Past | None:
        """All values of one series; None if it is not kept."""
        ring = self._rings.get(kind, {}).get(series)
        return None if ring is None else ring.past()

    def pasts(self, kind: str, where: Mapping[str, str]) -> dict[int, Past]:
        """All values of every series that has all labels of ``where``."""
        return {series: ring.past() for series, ring in self._with(kind, where)}

    def _with(self, kind: str, where: Mapping[str, str]) -> Iterator[tuple[int, _Ring]]:
        for series, ring in self._rings.get(kind, {}).items():
            if all(ring.labels.get(name) == wanted for name, wanted in where.items()):
                yield series, ring

    def _make_room(self, rings: dict[int, _Ring]) -> None:
        if len(rings) >= self._max_series:
            del rings[min(rings, key=lambda series: rings[series].newest_us)]
            self.evicted += 1
