"""Each series against the others of its pool at that moment: no past is needed for it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from detectors.banks.base import Bools, Floats, Reading, Rows, bounded, cleared, first_column, grown
from detectors.fellows import group_of, median_of_others
from streams.errors import InvalidParameterError

GROUPED_BY: Final = ("cluster", "pool")


@dataclass(slots=True)
class FellowsState:
    """Everything a snapshot has to keep."""

    group: Rows
    """By row."""
    schema: Literal[1] = field(default=1, kw_only=True)


class FellowsBank:
    """How many times a value is what the median of its fellows shows, in powers of ``ratio``.

    ``score = log(x / median of the others) / log(ratio)``: 1.0 at ``ratio`` times.
    Alone in its group, or beside fellows that show nothing above 0, a series scores 0.

    ratio: more than 1.

    >>> bank, rows = FellowsBank(ratio=2), np.arange(3)
    >>> for row in rows:
    ...     bank.admit(row, {"cluster": "local", "pool": "codex", "replica": f"codex-{row}"})
    >>> bank.score(rows, np.array([0.1, 0.1, 0.4])).round(2)
    array([0., 0., 2.])
    """

    def __init__(self, *, ratio: float = 2.0) -> None:
        if ratio <= 1:
            raise InvalidParameterError("ratio", ratio, "more than 1")
        self.state = FellowsState(np.zeros(0, np.int64))
        self._ratio = ratio

    def admit(self, row: int, labels: Mapping[str, str]) -> None:
        state = self.state = cleared(self.state, row)
        state.group[row] = group_of(labels, GROUPED_BY)

    def score(self, rows: Rows, values: Floats) -> Floats:
        return self._score(values, self._fellows(rows, values))

    def explain(self, rows: Rows, values: Floats) -> Reading:
        fellows = self._fellows(rows, values)
        return Reading(
            score=self._score(values, fellows),
            expected=fellows,
            lower=np.full(rows.size, -np.inf),
            upper=fellows * self._ratio,
            above=values > fellows,
            column=first_column(rows),
        )

    def learn(self, rows: Rows, values: Floats, weights: Floats | float = 1.0) -> None:
        """What fellows show now is all it goes by."""

    def _fellows(self, rows: Rows, values: Floats) -> Floats:
        group = grown(self.state, rows).group[rows]
        counts: Bools = values > 0
        fellows = median_of_others(values, group, counts)
        return np.where(np.isnan(fellows), values, fellows)

    def _score(self, values: Floats, fellows: Floats) -> Floats:
        apart = np.divide(values, fellows, out=np.ones_like(values), where=fellows > 0)
        return bounded(np.log(np.maximum(apart, 1.0)) / math.log(self._ratio))
