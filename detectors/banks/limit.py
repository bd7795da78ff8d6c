"""A fixed meaning: known facts such as a silent replica or an XID need no learning."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from detectors.banks.base import Floats, Reading, Rows, bounded, cleared, first_column, grown
from streams.errors import InvalidParameterError


@dataclass(slots=True)
class LimitState:
    """One row per series; everything a checkpoint has to keep."""

    armed: Floats
    """1 once the series has shown a value inside its limit."""
    schema: Literal[1] = field(default=1, kw_only=True)


class LimitBank:
    """Distance of a value from normal, in units of the way to its limit.

    ``score = (x - normal) / (limit - normal)``: 0 at ``normal``, 1.0 at ``limit``, on whichever
    side of ``normal`` the limit lies. With a ``mask``, x is 1 when one of its bits is set, else 0.

    limit, normal: in the unit of the value, not equal.
    mask: bits of interest of a bit field; 0 takes the value as it is.
    armed: 1 waits until a series was inside its limit once: what never ran cannot have failed.

    >>> bank, rows = LimitBank(limit=0.5, normal=1, armed=0), np.array([0, 1])
    >>> bank.score(rows, np.array([1.0, 0.0]))
    array([0., 2.])
    """

    def __init__(
        self, *, limit: float = 1.0, normal: float = 0.0, mask: int = 0, armed: int = 0
    ) -> None:
        if limit == normal:
            raise InvalidParameterError("limit", limit, f"other than normal ({normal:g})")
        if mask < 0:
            raise InvalidParameterError("mask", mask, "0 or a bit mask")
        self.state = LimitState(np.zeros(0))
        self._limit = limit
        self._normal = normal
        self._mask = mask
        self._waits = bool(armed)

    def admit(self, row: int, labels: Mapping[str, str]) -> None:  # noqa: ARG002
        self.state = cleared(self.state, row)

    def score(self, rows: Rows, values: Floats) -> Floats:
        state = grown(self.state, rows)
        distance = self._distance(values)
        if self._waits:
            distance = np.where(state.armed[rows] > 0, distance, 0.0)
        return bounded(distance)

    def explain(self, rows: Rows, values: Floats) -> Reading:
        rises = self._limit > self._normal
        at_limit = np.full(rows.size, self._limit)
        return Reading(
            score=self.score(rows, values),
            expected=np.full(rows.size, self._normal),
            lower=np.full(rows.size, -np.inf) if rises else at_limit,
            upper=at_limit if rises else np.full(rows.size, np.inf),
            above=np.full(rows.size, rises),
            column=first_column(rows),
        )

    def learn(self, rows: Rows, values: Floats, weights: Floats | float = 1.0) -> None:
        if not self._waits:
            return
        state = self.state = grown(self.state, rows)
        inside = (self._distance(values) < 1) & (np.asarray(weights) > 0)
        state.armed[rows] = np.maximum(state.armed[rows], inside)

    def _distance(self, values: Floats) -> Floats:
        if self._mask:
            bits = np.clip(values, 0, 2.0**53).astype(np.int64)
            values = ((bits & self._mask) != 0).astype(np.float64)
        return (values - self._normal) / (self._limit - self._normal)
