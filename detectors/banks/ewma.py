"""Distance of each series from its own recent past, for features that drift slowly."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from detectors.banks.base import Floats, Reading, Rows, bounded, cleared, first_column, grown
from detectors.moments import moments
from streams.errors import InvalidParameterError


@dataclass(slots=True)
class EwmaState:
    """One row per series; everything a checkpoint has to keep."""

    seen: Floats
    mean: Floats
    variance: Floats
    schema: Literal[1] = field(default=1, kw_only=True)


class EwmaBank:
    """Deviation from an exponentially weighted mean, in units of the series' own spread.

    ``score = |x - mean| / (sigmas * std)``: 1.0 lies ``sigmas`` standard deviations away.

    half_life_s: seconds after which an observation counts half.
    sigmas: how far the boundary lies from the mean, in standard deviations.
    warmup_s: seconds a series must have shown before it scores other than 0.
    floor: least standard deviation believed, in the unit of the value; a series that never moved
        would otherwise never score.

    >>> bank, row = EwmaBank(half_life_s=20, sigmas=4, warmup_s=10), np.array([0])
    >>> for ttft_s in [0.20, 0.22] * 50:
    ...     bank.learn(row, np.array([ttft_s]))
    >>> [round(float(bank.score(row, np.array([x]))[0]), 1) for x in (0.21, 0.25, 0.40)]
    [0.0, 1.0, 4.7]
    """

    def __init__(
        self,
        *,
        half_life_s: float = 60.0,
        sigmas: float = 4.0,
        warmup_s: float = 30.0,
        floor: float = 0.0,
        step_s: float = 1.0,
    ) -> None:
        if half_life_s <= 0:
            raise InvalidParameterError("half_life_s", half_life_s, "more than 0 s")
        if sigmas <= 0:
            raise InvalidParameterError("sigmas", sigmas, "more than 0")
        if floor < 0:
            raise InvalidParameterError("floor", floor, "0 or more")
        self.state = EwmaState(np.zeros(0), np.zeros(0), np.zeros(0))
        self._sigmas = sigmas
        self._floor = floor
        self._warmup = warmup_s / step_s
        self._weight = 1 - 0.5 ** (step_s / half_life_s)

    def admit(self, row: int, labels: Mapping[str, str]) -> None:  # noqa: ARG002
        self.state = cleared(self.state, row)

    def score(self, rows: Rows, values: Floats) -> Floats:
        state = grown(self.state, rows)
        return _score(values, state.mean[rows], self._spread(state, rows))

    def explain(self, rows: Rows, values: Floats) -> Reading:
        state = grown(self.state, rows)
        mean, spread = state.mean[rows], self._spread(state, rows)
        reach = np.where(spread > 0, spread, np.inf)
        return Reading(
            score=_score(values, mean, spread),
            expected=mean,
            lower=mean - reach,
            upper=mean + reach,
            above=values > mean,
            column=first_column(rows),
        )

    def learn(self, rows: Rows, values: Floats, weights: Floats | float = 1.0) -> None:
        state = self.state = grown(self.state, rows)
        error = values - state.mean[rows]
        # The first weights are 1, 1/2, 1/3...: otherwise the mean starts out stuck near zero.
        gain = weights * np.maximum(self._weight, 1 / (state.seen[rows] + 1))
        state.mean[rows] += gain * error
        state.variance[rows] = (1 - gain) * (state.variance[rows] + gain * error**2)
        state.seen[rows] += 1

    def merged(self, state: EwmaState) -> EwmaState:
        mean, variance = moments(state.seen, state.mean, state.variance)
        return EwmaState(state.seen.sum(keepdims=True), mean, variance)

    def inherit(self, row: int, kin: EwmaState) -> None:
        """Their differences are part of its variance; it weighs as much as a warm-up."""
        weight = max(self._warmup, 2)
        if kin.seen[0] < weight:
            return
        state = self.state
        state.seen[row], state.mean[row] = weight, kin.mean[0]
        state.variance[row] = kin.variance[0]

    def _spread(self, state: EwmaState, rows: Rows) -> Floats:
        """Way from the mean to the boundary; 0 while the series is too young to tell."""
        ready = state.seen[rows] >= max(self._warmup, 2)
        std = np.maximum(np.sqrt(state.variance[rows]), self._floor)
        return np.where(ready, self._sigmas * std, 0.0)


def _score(values: Floats, mean: Floats, spread: Floats) -> Floats:
    distance = np.abs(values - mean)
    return bounded(np.divide(distance, spread, out=np.zeros(mean.size), where=spread > 0))
