"""Growth of a counter or a level over a span: ECC errors that add up, memory that leaks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from detectors.banks.base import Floats, Reading, Rows, bounded, cleared, first_column, grown
from streams.errors import InvalidParameterError

BUCKETS: Final = 8
"""The span is remembered as minima of this many stretches: bounded, whatever the span."""


@dataclass(slots=True)
class RiseState:
    """One row per series; everything a checkpoint has to keep."""

    seen: Floats
    low: Floats
    """[row, bucket]: least value of each stretch, a ring."""
    schema: Literal[1] = field(default=1, kw_only=True)


class RiseBank:
    """Growth since the lowest value of the last ``over_s`` seconds.

    ``score = (x - min) / limit``, the minimum over what was seen in the span. Falling is no rise.

    limit: growth at which the score is 1.0, in the unit of the value.
    over_s: the span, in seconds.
    warmup_s: seconds of a young series that are not looked at (a process that loads its model).

    >>> bank, row = RiseBank(limit=10, over_s=60), np.array([0])
    >>> for errors in (100.0, 100.0, 105.0):
    ...     bank.learn(row, np.array([errors]))
    >>> bank.score(row, np.array([110.0]))
    array([1.])
    """

    def __init__(
        self,
        *,
        limit: float = 1.0,
        over_s: float = 60.0,
        warmup_s: float = 0.0,
        step_s: float = 1.0,
    ) -> None:
        if limit <= 0:
            raise InvalidParameterError("limit", limit, "more than 0")
        if over_s <= 0:
            raise InvalidParameterError("over_s", over_s, "more than 0 s")
        self.state = RiseState(np.zeros(0), np.zeros((0, BUCKETS)))
        self._limit = limit
        self._stretch = max(1, round(over_s / step_s / BUCKETS))
        self._warmup = warmup_s / step_s

    def admit(self, row: int, labels: Mapping[str, str]) -> None:  # noqa: ARG002
        self.state = cleared(self.state, row)

    def score(self, rows: Rows, values: Floats) -> Floats:
        return bounded((values - self._lowest(rows, values)) / self._limit)

    def explain(self, rows: Rows, values: Floats) -> Reading:
        lowest = self._lowest(rows, values)
        return Reading(
            score=bounded((values - lowest) / self._limit),
            expected=lowest,
            lower=np.full(rows.size, -np.inf),
            upper=lowest + self._limit,
            above=np.full(rows.size, fill_value=True),
            column=first_column(rows),
        )

    def learn(self, rows: Rows, values: Floats, weights: Floats | float = 1.0) -> None:
        state = self.state = grown(self.state, rows)
        counted = state.seen[rows] - self._warmup
        fresh = counted <= 0
        bucket = (np.maximum(counted, 0) // self._stretch % BUCKETS).astype(np.int64)
        begins = np.maximum(counted, 0) % self._stretch == 0
        takes = np.broadcast_to(np.asarray(weights) > 0, rows.shape)
        state.low[rows[fresh & takes]] = values[fresh & takes, None]
        start = begins & takes & ~fresh
        state.low[rows[start], bucket[start]] = values[start]
        go_on = ~begins & takes & ~fresh
        at = rows[go_on], bucket[go_on]
        state.low[at] = np.minimum(state.low[at], values[go_on])
        state.seen[rows] += 1

    def _lowest(self, rows: Rows, values: Floats) -> Floats:
        state = grown(self.state, rows)
        young = state.seen[rows] <= self._warmup
        return np.where(young, values, np.minimum(state.low[rows].min(axis=1), values))
