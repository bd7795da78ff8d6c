"""A series that is not heard of any more though its fellows are: a clock is off, an agent died."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from detectors.banks.base import (
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


@dataclass(slots=True)
class SilenceState:
    """One row per series; everything a snapshot has to keep."""

    group: Rows
    silent: Floats
    """Windows in a row without it."""
    pauses: PausesState = field(kw_only=True)
    schema: Literal[1] = field(default=1, kw_only=True)


class SilenceBank:
    """How long a series has been silent, given its own rhythm and its fellows.

    On ``silent_s``, which a series has also in windows that it is not in. ``score = silent_s /
    max(least_s, times * longest usual silence, times * what fellows show)``; of fellows it is the
    lower quartile: where hardly anybody is heard, a source stands and not a series. Alone it scores
    0: nothing tells the two apart.

    least_s: shorter silences are never odd.
    times: so many times its longest usual silence is odd.
    half_life_s: after which the longest silence counts half.
    enough: windows that a series must have been heard in.
    by: labels that fellows have in common.

    >>> bank, rows = SilenceBank(least_s=10, enough=2), np.arange(3)
    >>> for _ in range(2):
    ...     bank.learn(rows, np.zeros(3))
    >>> bank.score(rows, np.array([0.0, 15.0, 0.0]))
    array([0. , 1.5, 0. ])
    """

    def __init__(  # noqa: PLR0913 (a bank's options, always by keyword)
        self,
        *,
        least_s: float = 10.0,
        times: float = 3.0,
        half_life_s: float = 3_600.0,
        enough: float = 10.0,
        by: tuple[str, ...] | list[str] = ("cluster", "pool"),
        step_s: float = 1.0,
    ) -> None:
        self._step_s, self._by = step_s, tuple(by)
        self._pauses = Pauses(
            least_s=least_s, times=times, enough=enough, half_life_s=half_life_s, step_s=step_s
        )
        none = np.zeros(0)
        self.state = SilenceState(np.zeros(0, np.int64), none, pauses=self._pauses.empty())

    def admit(self, row: int, labels: Mapping[str, str]) -> None:
        state = self.state = cleared(self.state, row)
        state.pauses = cleared(state.pauses, row)
        state.group[row] = group_of(labels, self._by)

    def score(self, rows: Rows, values: Floats) -> Floats:
        pause = self._pause(values)
        fellows = self._fellows(rows, pause)
        return bounded(self._pauses.score(self.state.pauses, rows, pause, fellows))

    def explain(self, rows: Rows, values: Floats) -> Reading:
        fellows = self._fellows(rows, self._pause(values))
        boundary = self._pauses.boundary(self.state.pauses, rows, fellows)
        known = self._pauses.known(self.state.pauses, rows)
        return Reading(
            score=self.score(rows, values),
            expected=np.zeros(rows.size),
            lower=np.full(rows.size, -np.inf),
            upper=np.where(known, boundary * self._step_s, np.inf),
            above=np.full(rows.size, fill_value=True),
            column=first_column(rows),
        )

    def merged(self, state: SilenceState) -> SilenceState:
        """Only pauses are about a kind of series; the rest is of this moment."""
        kin = cleared(picked(state, np.zeros(1, np.int64)), 0)
        return replace(kin, pauses=self._pauses.merged(state.pauses))

    def inherit(self, row: int, kin: SilenceState) -> None:
        """What pauses are usual; whether the series moves at all it has to show itself."""
        self.state.pauses.usual[row] = kin.pauses.usual[0]

    def learn(self, rows: Rows, values: Floats, weights: Floats | float = 1.0) -> None:
        state = self.state = grown(self.state, rows)
        pause = self._pause(values)
        before, fellows = state.silent[rows], self._fellows(rows, pause)
        state.pauses = self._pauses.learn(state.pauses, rows, before, pause, fellows, weights)
        state.silent[rows] = pause

    def _pause(self, values: Floats) -> Floats:
        """In windows."""
        return np.maximum(values, 0) / self._step_s

    def _fellows(self, rows: Rows, pause: Floats) -> Floats:
        fellows = quartile_of_group(pause, grown(self.state, rows).group[rows])
        return np.where(np.isnan(fellows), np.inf, fellows)
