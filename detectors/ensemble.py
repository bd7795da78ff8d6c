"""Values of many series in, how unusual each series is out: members judged against each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.banks.base import Bools, Floats, Rows, bounded, grown

DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleSettings:
    """What a user may choose.

    false_alerts_per_day: of one series; the score is 1.0 where so many are expected.
    memory: windows after which what was learned counts half.
    """

    false_alerts_per_day: float = 0.1
    memory: float = 50_000.0


DEFAULT: Final = EnsembleSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One entry per row, in the unit of the values.

    score: 1.0 is the boundary.
    p: how likely the series' own past makes such a window.
    column: the column to blame; expected, lower, upper and above speak of it.
    members: what each member alone would have said.
    """

    score: Floats
    p: Floats
    column: Rows
    expected: Floats
    lower: Floats
    upper: Floats
    above: Bools
    members: Mapping[str, Floats]


@dataclass(slots=True)
class _State:
    seen: Floats
    mean: Floats
    variance: Floats


class Ensemble:
    """First, crude version: distance from a slow mean."""

    def __init__(
        self,
        *,
        columns: int,
        step_s: float,
        seed: int = 0,  # noqa: ARG002
        settings: EnsembleSettings = DEFAULT,
    ) -> None:
        self.state = _State(np.zeros(0), np.zeros((0, columns)), np.zeros((0, columns)))
        self._gain = 1 - 0.5 ** (1 / settings.memory)
        self._alpha = min(0.01, settings.false_alerts_per_day * step_s / DAY_S)

    def step(self, rows: Rows, values: Floats) -> Judgement:
        """Judge ``values`` (float64[n, columns], NaN where missing), then learn from them."""
        state = self.state = grown(self.state, rows)
        known = np.isfinite(values)
        mean, std = state.mean[rows], np.sqrt(state.variance[rows]) + 1e-9
        error = np.where(known, np.clip(values, -1e12, 1e12) - mean, 0.0)
        distance = np.where(state.seen[rows, None] < 10, 0.0, error / std)
        score = bounded(np.sqrt((np.clip(distance, -20, 20) ** 2).mean(axis=1)) / 4)
        column = np.abs(distance).argmax(axis=1)
        at = np.arange(rows.size), column
        gain = np.maximum(self._gain, 1 / (state.seen[rows, None] + 1)) * known
        state.mean[rows] += gain * error
        state.variance[rows] = (1 - gain) * (state.variance[rows] + gain * error**2)
        state.seen[rows] += known.any(axis=1)
        return Judgement(
            score=score,
            p=self._alpha**score,
            column=column,
            expected=mean[at],
            lower=(mean - 4 * std)[at],
            upper=(mean + 4 * std)[at],
            above=distance[at] > 0,
            members={"slow": score},
        )
