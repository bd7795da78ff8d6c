"""A series of the past in which somebody marked what was wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.banks.base import Bools, Floats

PROBATION_SHARE: Final = 0.15
PROBATION_ROWS: Final = 750
"""Most rows of a file without a training part that are only learned from (NAB's rule)."""

Windows = tuple[tuple[int, int], ...]
"""First and last row of each event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """One file of a set; rows in the order in which a detector gets to see them.

    times: seconds, of each row.
    step_s: the usual distance of two rows.
    values: float64[rows, columns], NaN where one is missing.
    begin: the first row that alerts are judged at; those before it are only learned from.
    trained: rows that the publisher meant to be learned from; 0 where there is no such part.
    """

    name: str
    times: Floats
    step_s: float
    values: Floats
    begin: int
    windows: Windows
    trained: int = 0

    @property
    def label(self) -> Bools:
        label = np.zeros(len(self.times), np.bool_)
        for first, last in self.windows:
            label[first : last + 1] = True
        return label


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that cannot be judged, and why."""

    name: str
    reason: str


def filled(values: Floats) -> Floats:
    """The last value known in place of one that is missing; 0 where there was none.

    >>> filled(np.array([[np.nan], [2.0], [np.nan]])).ravel().tolist()
    [0.0, 2.0, 2.0]
    """
    places = np.where(np.isfinite(values), np.arange(len(values))[:, None], -1)
    last = np.maximum.accumulate(places, axis=0)
    return np.where(last >= 0, np.take_along_axis(values, np.maximum(last, 0), axis=0), 0.0)


def probation(rows: int) -> int:
    """How many rows of so many are only learned from.

    >>> probation(1000), probation(100_000)
    (150, 750)
    """
    return min(int(PROBATION_SHARE * rows), PROBATION_ROWS)


def runs(label: Bools) -> Windows:
    """First and last row of each stretch of marked ones.

    >>> runs(np.array([True, False, True, True]))
    ((0, 0), (2, 3))
    """
    edges = np.diff(np.concatenate([[False], label, [False]]).astype(np.int8))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    return tuple(zip(starts.tolist(), ends.tolist(), strict=True))


def usual_step(times: Floats) -> float:
    """Raises a ValueError where the clock stands still."""
    step_s = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    if step_s <= 0:
        raise ValueError("time must move on from row to row, for most of at least 2 rows")
    return step_s


def places(times: Floats, spans: Sequence[tuple[float, float]]) -> Windows:
    """Rows at the edges of spans of time; a ValueError where there is no such row."""
    found = []
    for span in spans:
        first, last = (np.flatnonzero(times == edge) for edge in span)
        if not (first.size and last.size):
            raise ValueError(f"a labelled window must begin and end at rows, got {span} s")
        found.append((int(first[0]), int(last[0])))
    return tuple(sorted(found))
