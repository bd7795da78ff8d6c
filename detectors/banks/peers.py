"""A replica against its fellows in the same pool: trouble that hits one and spares the others."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from detectors.banks.base import Floats, Reading, Rows, bounded, cleared, first_column, grown
from streams.errors import InvalidParameterError


@dataclass(slots=True)
class PeersState:
    """One row per series; everything a checkpoint has to keep."""

    seen: Floats
    group: Rows
    """blake2b-64 of the labels that fellows share."""


class PeersBank:
    """Ratio of a series to the median of its fellows in the same window.

    ``score = |log(x / median of the others)| / log(ratio)``; 0 for a series without fellows.

    ratio: how many times its fellows (or what part of them) lies on the boundary.
    floor: values below it count as it, in the unit of the value: tiny ones differ by accident.
    warmup_s: seconds a series must have shown before it scores other than 0.
    by: labels that fellows have in common.

    >>> bank, rows = PeersBank(ratio=2, warmup_s=0), np.arange(4)
    >>> bank.score(rows, np.array([0.1, 0.1, 0.1, 0.4])).round(2)
    array([0., 0., 0., 2.])
    """

    def __init__(
        self,
        *,
        ratio: float = 2.0,
        floor: float = 1e-3,
        warmup_s: float = 10.0,
        by: tuple[str, ...] | list[str] = ("cluster", "pool"),
        step_s: float = 1.0,
    ) -> None:
        if ratio <= 1:
            raise InvalidParameterError("ratio", ratio, "more than 1")
        if floor <= 0:
            raise InvalidParameterError("floor", floor, "more than 0")
        self.state = PeersState(np.zeros(0), np.zeros(0, np.int64))
        self._ratio = ratio
        self._floor = floor
        self._warmup = warmup_s / step_s
        self._by = tuple(by)

    def admit(self, row: int, labels: Mapping[str, str]) -> None:
        state = self.state = cleared(self.state, row)
        state.group[row] = group_of(labels, self._by)

    def score(self, rows: Rows, values: Floats) -> Floats:
        return self._judge(rows, values)[0]

    def explain(self, rows: Rows, values: Floats) -> Reading:
        score, fellows = self._judge(rows, values)
        return Reading(
            score=score,
            expected=fellows,
            lower=fellows / self._ratio,
            upper=fellows * self._ratio,
            above=values > fellows,
            column=first_column(rows),
        )

    def learn(self, rows: Rows, values: Floats, weights: Floats | float = 1.0) -> None:  # noqa: ARG002
        # Only the count is kept: what is expected of a replica its fellows show in each window.
        state = self.state = grown(self.state, rows)
        state.seen[rows] += 1

    def _judge(self, rows: Rows, values: Floats) -> tuple[Floats, Floats]:
        state = grown(self.state, rows)
        ready = state.seen[rows] >= self._warmup
        # A fellow that is still warming up is no yardstick for the others.
        fellows = median_of_others(values, state.group[rows], ready)
        known = ready & np.isfinite(fellows)
        relative = np.maximum(values, self._floor) / np.maximum(fellows, self._floor)
        distance = np.abs(np.log(relative, out=np.zeros_like(values), where=known))
        return bounded(distance / np.log(self._ratio)), np.where(known, fellows, values)


def group_of(labels: Mapping[str, str], by: tuple[str, ...]) -> int:
    """Number of the group of series that share the labels ``by``."""
    shared = json.dumps([labels.get(name, "") for name in by], ensure_ascii=False)
    digest = blake2b(shared.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def median_of_others(
    values: Floats, group: Rows, counts: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
) -> Floats:
    """For each value the median of the other counting values of its group, NaN when it has none."""
    medians = np.full(values.shape, np.nan)
    for one in np.unique(group):
        members = np.flatnonzero(group == one)
        for i in members:
            others = values[members[(members != i) & counts[members]]]
            if others.size:
                medians[i] = np.median(others)
    return medians
