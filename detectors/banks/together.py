"""Several of a group beyond a limit in the same window: a zone that is lost, not a lost scrape."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from detectors.banks.base import Floats, Reading, Rows, bounded, cleared, first_column, grown
from detectors.banks.limit import LimitBank, LimitState
from detectors.fellows import group_of
from streams.errors import InvalidParameterError

WITNESSES: Final = 2
"""So many fellows must be well: where hardly anybody is, whoever asks may be the one who fails."""


@dataclass(slots=True)
class TogetherState:
    """One row per series; everything a snapshot has to keep."""

    group: Rows
    limit: LimitState = field(kw_only=True)
    schema: Literal[1] = field(default=1, kw_only=True)


class TogetherBank:
    """A limit that only counts where it befalls several fellows at once.

    ``score = min(score of the limit, fellows beyond it / several)``, the series itself among them;
    0 where fewer than two are within it. What one series shows once may be chance; that several
    show it at the same moment by chance is as unlikely as their single chances multiplied, so
    that less time is needed to believe it.

    several: so many beyond the limit make 1.0.
    limit, normal, armed: as of ``limit``.
    by: labels that fellows have in common.

    >>> bank, rows = TogetherBank(limit=0, normal=1), np.arange(4)
    >>> bank.score(rows, np.array([1.0, 1.0, 1.0, 0.0]))
    array([0. , 0. , 0. , 0.5])
    >>> bank.score(rows, np.array([1.0, 1.0, 0.0, 0.0]))
    array([0., 0., 1., 1.])
    """

    def __init__(
        self,
        *,
        several: int = 2,
        limit: float = 1.0,
        normal: float = 0.0,
        armed: int = 0,
        by: tuple[str, ...] | list[str] = ("cluster", "pool"),
    ) -> None:
        if several < 2:
            raise InvalidParameterError("several", several, "2 or more")
        self._limit = LimitBank(limit=limit, normal=normal, armed=armed)
        self._several, self._by = several, tuple(by)
        self._group = TogetherState(np.zeros(0, np.int64), limit=self._limit.state)

    @property
    def state(self) -> TogetherState:
        return TogetherState(self._group.group, limit=self._limit.state)

    @state.setter
    def state(self, state: TogetherState) -> None:
        self._group, self._limit.state = state, state.limit

    def admit(self, row: int, labels: Mapping[str, str]) -> None:
        self._limit.admit(row, labels)
        self._group = cleared(self._group, row)
        self._group.group[row] = group_of(labels, self._by)

    def score(self, rows: Rows, values: Floats) -> Floats:
        own, most = self._limit.score(rows, values), self._most(rows, values)
        return bounded(np.minimum(own, most))

    def explain(self, rows: Rows, values: Floats) -> Reading:
        alone, enough = self._limit.explain(rows, values), self._most(rows, values) >= 1
        return Reading(
            score=self.score(rows, values),
            expected=alone.expected,
            lower=np.where(enough, alone.lower, -np.inf),
            upper=np.where(enough, alone.upper, np.inf),
            above=alone.above,
            column=first_column(rows),
        )

    def learn(self, rows: Rows, values: Floats, weights: Floats | float = 1.0) -> None:
        self._limit.learn(rows, values, weights)

    def _most(self, rows: Rows, values: Floats) -> Floats:
        """What the fellows allow a series to score."""
        group = grown(self._group, rows).group[rows]
        beyond = self._limit.score(rows, values) >= 1
        _, place = np.unique(group, return_inverse=True)
        ill, well = (np.bincount(place, one)[place] for one in (beyond, ~beyond))
        return np.where(well >= WITNESSES, ill / self._several, 0.0)
