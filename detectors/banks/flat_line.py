"""Values that stand still while there is work and fellows move: an exporter that repeats itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np

from detectors.banks.base import (
    Bools,
    Floats,
    Reading,
    Rows,
    bounded,
    cleared,
    first_column,
    grown,
    picked,
)
from detectors.fellows import group_of, quartile_of_group
from detectors.pauses import Pauses, PausesState
from detectors.standing import matrix

RECENT_S: Final = 60.0
"""A fellow not heard of for so long is no yardstick any more."""


@dataclass(slots=True)
class FlatLineState:
    """One row per series; everything a snapshot has to keep."""

    group: Rows
    heard: Floats
    """Number of the window in which it was last heard, counted by the bank."""
    stood: Floats
    """Readings in a row that were the same as the one before."""
    last: Floats
    """[row, column]: the newest reading."""
    pauses: PausesState = field(kw_only=True)
    schema: Literal[1] = field(default=1, kw_only=True)


class FlatLineBank:
    """How long all values together have stood still, given the past and what fellows do.

    ``score = stood / max(least_s, times * longest usual standstill, times * what fellows show)``,
    of fellows the lower quartile: where nobody has anything to do, all stand. The first value says
    whether there is work: where it is 0, standing still is rest, and scores 0.

    least_s: shorter standstills are never odd.
    times: so many times its longest usual standstill is odd.
    half_life_s: after which the longest standstill counts half.
    enough: readings that moved which a series must have shown.
    by: labels that fellows have in common.

    >>> bank, row = FlatLineBank(least_s=4, enough=3), np.array([0])
    >>> for running in (3.0, 4.0, 2.0, 5.0, 7.0, 7.0, 7.0):
    ...     bank.learn(row, np.array([running]))
    >>> [float(bank.score(row, np.array([running]))[0]) for running in (7.0, 6.0)]
    [0.75, 0.0]
    """

    def __init__(  # noqa: PLR0913 (a bank's options, always by keyword)
        self,
        *,
        least_s: float = 20.0,
        times: float = 3.0,
        half_life_s: float = 3_600.0,
        enough: float = 60.0,
        by: tuple[str, ...] | list[str] = ("cluster", "pool"),
        step_s: float = 1.0,
    ) -> None:
        self._recent, self._by = RECENT_S / step_s, tuple(by)
        self._pauses = Pauses(
            least_s=least_s, times=times, enough=enough, half_life_s=half_life_s, step_s=step_s
        )
        none = np.zeros(0)
        self.state = FlatLineState(
            np.zeros(0, np.int64), none, none, np.zeros((0, 0)), pauses=self._pauses.empty()
        )

    def admit(self, row: int, labels: Mapping[str, str]) -> None:
        state = self.state = cleared(self.state, row)
        state.pauses = cleared(state.pauses, row)
        state.group[row] = group_of(labels, self._by)

    def score(self, rows: Rows, values: Floats) -> Floats:
        columns = matrix(values)
        state = _reaching(self.state, rows, columns)
        stood = _stood(state, rows, columns)
        scores = self._pauses.score(state.pauses, rows, stood, self._fellows(state, rows, stood))
        return bounded(np.where(columns[:, 0] == 0, 0.0, scores))

    def explain(self, rows: Rows, values: Floats) -> Reading:
        at = matrix(values)[:, 0]
        nowhere = np.full(rows.size, np.inf)
        # Any other value would do.
        return Reading(
            score=self.score(rows, values),
            expected=at,
            lower=-nowhere,
            upper=nowhere,
            above=np.full(rows.size, fill_value=True),
            column=first_column(rows),
        )

    def merged(self, state: FlatLineState) -> FlatLineState:
        """Only pauses are about a kind of series; the rest is of this moment."""
        kin = cleared(picked(state, np.zeros(1, np.int64)), 0)
        return replace(kin, pauses=self._pauses.merged(state.pauses))

    def inherit(self, row: int, kin: FlatLineState) -> None:
        """What pauses are usual; whether the series moves at all it has to show itself."""
        self.state.pauses.usual[row] = kin.pauses.usual[0]

    def learn(self, rows: Rows, values: Floats, weights: Floats | float = 1.0) -> None:
        columns = matrix(values)
        state = self.state = _reaching(self.state, rows, columns)
        stood = _stood(state, rows, columns)
        fellows = self._fellows(state, rows, stood)
        # Rest teaches nothing about standing still at work.
        before = np.where(state.last[rows, 0] == 0, 0.0, state.stood[rows])
        taught = weights * np.where(columns[:, 0] == 0, 0.0, 1.0)
        state.pauses = self._pauses.learn(state.pauses, rows, before, stood, fellows, taught)
        state.last[rows], state.stood[rows] = columns, stood
        state.heard[rows] = state.heard.max(initial=0) + 1

    def _fellows(self, state: FlatLineState, rows: Rows, stood: Floats) -> Floats:
        """0 where there are none: then the past alone has to do."""
        everybody = state.stood.copy()
        everybody[rows] = stood
        counts: Bools = state.heard > max(0.0, state.heard.max(initial=0) - self._recent)
        counts[rows] = True
        at = np.flatnonzero(counts & np.isin(state.group, state.group[rows]))
        quartile = quartile_of_group(everybody[at], state.group[at])
        return np.nan_to_num(quartile[np.searchsorted(at, rows)])


def _stood(state: FlatLineState, rows: Rows, columns: Floats) -> Floats:
    same = (columns == state.last[rows]).all(axis=1)
    return np.where(same, state.stood[rows] + 1, 0.0)


def _reaching(state: FlatLineState, rows: Rows, columns: Floats) -> FlatLineState:
    """The state with ``rows`` existing and as many columns as the values have."""
    state = grown(state, rows)
    if state.last.shape[1] == columns.shape[1]:
        return state
    return replace(state, last=np.zeros((state.heard.size, columns.shape[1])))
