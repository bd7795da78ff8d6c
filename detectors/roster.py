"""Series in, row numbers out: which row of the banks' arrays belongs to whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from detectors.banks.base import Bools, Rows
from streams.windows.table import Ints

Labels = Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class RosterState:
    """Everything a snapshot has to keep; arrays and lists are by row."""

    seen_us: Ints
    labels: list[Labels] = field(default_factory=list)
    series: list[int] = field(default_factory=list)
    row_of: dict[int, int] = field(default_factory=dict)
    free: list[int] = field(default_factory=list)
    left_out: int = 0
    schema: Literal[1] = 1


class Roster:
    """At most ``max_rows`` series; one unseen for ``forget_us`` gives its row away.

    When all rows are taken a newcomer is left out and counted in ``left_out``: the window still
    goes out, only nothing is detected in it.
    """

    def __init__(self, *, max_rows: int, forget_us: int = 3_600_000_000) -> None:
        self._max_rows = max_rows
        self._forget_us = forget_us
        self.state = RosterState(seen_us=np.zeros(0, np.int64))

    @property
    def labels(self) -> Sequence[Labels]:
        """By row."""
        return self.state.labels

    @property
    def series(self) -> Sequence[int]:
        """By row."""
        return self.state.series

    @property
    def row_of(self) -> Mapping[int, int]:
        """Series -> row."""
        return self.state.row_of

    @property
    def rows(self) -> list[int]:
        """Those that are somebody's."""
        return sorted(self.state.row_of.values())

    @property
    def left_out(self) -> int:
        return self.state.left_out

    def __len__(self) -> int:
        return len(self.state.row_of)

    def place(
        self, series: Ints, labels: Mapping[int, Labels], at_us: int
    ) -> tuple[Rows, list[int]]:
        """The row of each series seen at ``at_us`` (-1: left out), and the rows newly given."""
        self._forget(at_us)
        new: list[int] = []
        rows = [self._place(key, labels[key], new) for key in series.tolist()]
        placed = np.array(rows, np.int64)
        self.state.seen_us[placed[placed >= 0]] = at_us
        return placed, new

    def absent(self, present: Rows, at_us: int, within_us: int) -> Rows:
        """Rows of series that were seen less than ``within_us`` ago and are not in ``present``."""
        recent = self.state.seen_us > at_us - within_us
        recent[present[present >= 0]] = False
        return np.flatnonzero(recent)

    def row_with(self, labels: Labels) -> int | None:
        """The row of a series by its labels; only for the few that changes speak of."""
        rows = self.state.row_of.values()
        return next((row for row in rows if _covers(self.labels[row], labels)), None)

    def matching(self, rows: Rows, where: Labels) -> Bools:
        """Those of ``rows`` whose labels agree with ``where``."""
        return np.array([_covers(self.labels[row], where) for row in rows.tolist()], np.bool_)

    def _place(self, key: int, labels: Labels, new: list[int]) -> int:
        state = self.state
        row = state.row_of.get(key)
        if row is not None:
            state.labels[row] = labels  # Attributes may change, such as the replica on a GPU.
            return row
        if state.free:
            row = state.free.pop()
            state.labels[row], state.series[row] = labels, key
        elif len(state.labels) < self._max_rows:
            row = len(state.labels)
            state.labels.append(labels)
            state.series.append(key)
            state.seen_us = np.append(state.seen_us, np.int64(0))
        else:
            state.left_out += 1
            return -1
        state.row_of[key] = row
        new.append(row)
        return row

    def _forget(self, at_us: int) -> None:
        state = self.state
        gone = (state.seen_us > 0) & (state.seen_us < at_us - self._forget_us)
        for row in np.flatnonzero(gone).tolist():
            del state.row_of[state.series[row]]
            state.seen_us[row] = 0
            state.free.append(row)


def _covers(labels: Labels, where: Labels) -> bool:
    return all(labels.get(name, "") == value for name, value in where.items())


def shared(labels: Labels, names: Sequence[str]) -> dict[str, str]:
    """Only the labels with these names."""
    return {name: labels.get(name, "") for name in names}
