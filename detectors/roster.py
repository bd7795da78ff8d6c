"""Series in, row numbers out: which row of the banks' arrays belongs to whom."""

from collections.abc import Mapping, Sequence

import numpy as np

from detectors.banks.base import Bools, Rows
from streams.windows.table import Ints

Labels = Mapping[str, str]


class Roster:
    """At most ``max_rows`` series; one unseen for ``forget_us`` gives its row away.

    When all rows are taken a newcomer is left out and counted in ``left_out``: the window still
    goes out, only nothing is detected in it.
    """

    def __init__(self, *, max_rows: int, forget_us: int = 3_600_000_000) -> None:
        self._max_rows = max_rows
        self._forget_us = forget_us
        self._row_of: dict[int, int] = {}
        self._free: list[int] = []
        self._seen_us = np.zeros(0, np.int64)
        self.labels: list[Labels] = []
        """By row."""
        self.series: list[int] = []
        """By row."""
        self.left_out = 0

    def __len__(self) -> int:
        return len(self._row_of)

    def place(
        self, series: Ints, labels: Mapping[int, Labels], at_us: int
    ) -> tuple[Rows, list[int]]:
        """The row of each series seen at ``at_us`` (-1: left out), and the rows newly given."""
        self._forget(at_us)
        new: list[int] = []
        rows = [self._place(key, labels[key], new) for key in series.tolist()]
        placed = np.array(rows, np.int64)
        self._seen_us[placed[placed >= 0]] = at_us
        return placed, new

    def absent(self, present: Rows, at_us: int, within_us: int) -> Rows:
        """Rows of series that were seen less than ``within_us`` ago and are not in ``present``."""
        recent = self._seen_us > at_us - within_us
        recent[present[present >= 0]] = False
        return np.flatnonzero(recent)

    def row_with(self, labels: Labels) -> int | None:
        """The row of a series by its labels; only for the few that changes speak of."""
        rows = self._row_of.values()
        return next((row for row in rows if _covers(self.labels[row], labels)), None)

    def matching(self, rows: Rows, where: Labels) -> Bools:
        """Those of ``rows`` whose labels agree with ``where``."""
        return np.array([_covers(self.labels[row], where) for row in rows.tolist()], np.bool_)

    def _place(self, key: int, labels: Labels, new: list[int]) -> int:
        row = self._row_of.get(key)
        if row is not None:
            self.labels[row] = labels  # Attributes may change, such as the replica on a GPU.
            return row
        if self._free:
            row = self._free.pop()
            self.labels[row], self.series[row] = labels, key
        elif len(self.labels) < self._max_rows:
            row = len(self.labels)
            self.labels.append(labels)
            self.series.append(key)
            self._seen_us = np.append(self._seen_us, np.int64(0))
        else:
            self.left_out += 1
            return -1
        self._row_of[key] = row
        new.append(row)
        return row

    def _forget(self, at_us: int) -> None:
        for row in np.flatnonzero(
            (self._seen_us > 0) & (self._seen_us < at_us - self._forget_us)
        ).tolist():
            del self._row_of[self.series[row]]
            self._seen_us[row] = 0
            self._free.append(row)


def _covers(labels: Labels, where: Labels) -> bool:
    return all(labels.get(name, "") == value for name, value in where.items())


def shared(labels: Labels, names: Sequence[str]) -> dict[str, str]:
    """Only the labels with these names."""
    return {name: labels.get(name, "") for name in names}
