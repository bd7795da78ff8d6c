"""Totals that begin anew too often: an engine that crashes, starts and crashes again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from detectors.banks.base import Floats, Reading, Rows, bounded, cleared, first_column, grown
from streams.errors import InvalidParameterError

BUCKETS: Final = 8
"""The span is remembered as sums of this many stretches: bounded, whatever the span."""


@dataclass(slots=True)
class ResetsState:
    """One row per series; everything a snapshot has to keep."""

    seen: Floats
    counts: Floats
    """[row, bucket]: resets of each stretch, a ring."""
    schema: Literal[1] = field(default=1, kw_only=True)


class ResetsBank:
    """Resets of the last ``over_s`` seconds, against how many are too many.

    On resets per second (``restarts_per_s``: whoever reads totals sees them go back, ``meter.py``).
    ``score = resets in the span / limit``; the span is up to an eighth shorter, as it goes in
    steps. A known fact: one restart has a reason, several in a row are a loop.

    limit: resets at which the score is 1.0.
    over_s: the span, in seconds.

    >>> bank, row = ResetsBank(limit=3, over_s=600), np.array([0])
    >>> for restarts in (1.0, 0.0, 0.0, 1.0):
    ...     bank.learn(row, np.array([restarts]))
    >>> bank.score(row, np.array([0.0])).round(2), bank.score(row, np.array([1.0]))
    (array([0.67]), array([1.]))
    """

    def __init__(self, *, limit: float = 3.0, over_s: float = 600.0, step_s: float = 1.0) -> None:
        if limit <= 0:
            raise InvalidParameterError("limit", limit, "more than 0")
        if over_s <= 0:
            raise InvalidParameterError("over_s", over_s, "more than 0 s")
        self.state = ResetsState(np.zeros(0), np.zeros((0, BUCKETS)))
        self._limit, self._step_s = limit, step_s
        self._stretch = max(1, round(over_s / step_s / BUCKETS))

    def admit(self, row: int, labels: Mapping[str, str]) -> None:  # noqa: ARG002
        self.state = cleared(self.state, row)

    def score(self, rows: Rows, values: Floats) -> Floats:
        return bounded((self._before(rows) + self._now(values)) / self._limit)

    def explain(self, rows: Rows, values: Floats) -> Reading:
        left = (self._limit - self._before(rows)) / self._step_s
        return Reading(
            score=self.score(rows, values),
            expected=np.zeros(rows.size),
            lower=np.full(rows.size, -np.inf),
            upper=np.maximum(left, 0.0),
            above=np.full(rows.size, fill_value=True),
            column=first_column(rows),
        )

    def learn(self, rows: Rows, values: Floats, weights: Floats | float = 1.0) -> None:  # noqa: ARG002
        state = self.state = grown(self.state, rows)
        bucket = (state.seen[rows] // self._stretch % BUCKETS).astype(np.int64)
        begins = state.seen[rows] % self._stretch == 0
        state.counts[rows[begins], bucket[begins]] = 0
        # What happened happened, also where it is not to become usual.
        state.counts[rows, bucket] += self._now(values)
        state.seen[rows] += 1

    def _now(self, values: Floats) -> Floats:
        return np.clip(values, 0.0, 1e9) * self._step_s

    def _before(self, rows: Rows) -> Floats:
        return np.asarray(grown(self.state, rows).counts[rows].sum(axis=1))
