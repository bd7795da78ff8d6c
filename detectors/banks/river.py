"""River's half-space trees, one model per series, behind our contract."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from river import anomaly, stats

from detectors.banks.base import Floats, Reading, Rows, bounded, first_column
from streams.errors import InvalidParameterError


@dataclass(slots=True)
class RiverModel:
    """What is kept of one series."""

    model: Any
    low: Any
    middle: Any
    high: Any
    seen: int = 0


class RiverBank:
    """Score of half-space trees, in units of the score that lies on the boundary.

    ``score = model score / boundary``. The value enters the model as the logistic of its distance
    from the rolling median in units of the rolling spread: in (0, 1) as half-space trees need it.
    What is expected and the band come from River's rolling quantiles of the same values.

    boundary: model score that becomes 1.0.
    memory_s: seconds the rolling quantiles and the model look back.
    warmup_s: seconds a series must have shown before it scores other than 0.
    floor: least spread believed, in the unit of the value.
    seed: the models draw their trees from it.
    """

    def __init__(  # noqa: PLR0913 (a bank's options, always by keyword)
        self,
        *,
        boundary: float = 0.95,
        memory_s: float = 60.0,
        warmup_s: float = 60.0,
        floor: float = 1e-6,
        seed: int = 1,
        step_s: float = 1.0,
    ) -> None:
        if not 0 < boundary <= 1:
            raise InvalidParameterError("boundary", boundary, "more than 0 and at most 1")
        if floor <= 0:
            raise InvalidParameterError("floor", floor, "more than 0")
        self._boundary = boundary
        self._memory = max(8, round(memory_s / step_s))
        self._warmup = max(warmup_s / step_s, 8)
        self._floor = floor
        self._seed = seed
        self.state: dict[int, RiverModel] = {}

    def admit(self, row: int, labels: Mapping[str, str]) -> None:  # noqa: ARG002
        self.state.pop(row, None)

    def score(self, rows: Rows, values: Floats) -> Floats:
        pairs = zip(rows.tolist(), values.tolist(), strict=True)
        return bounded(np.array([self._score(row, value) for row, value in pairs]))

    def explain(self, rows: Rows, values: Floats) -> Reading:
        score = self.score(rows, values)
        bands = [self._band(row) for row in rows.tolist()]
        lower, expected, upper = np.array(bands).reshape(-1, 3).T
        expected = np.where(np.isfinite(expected), expected, values)
        return Reading(score, expected, lower, upper, values > expected, first_column(rows))

    def learn(self, rows: Rows, values: Floats, weights: Floats | float = 1.0) -> None:
        taken = np.broadcast_to(np.asarray(weights) >= 0.5, rows.shape)
        for row, value, take in zip(rows.tolist(), values.tolist(), taken.tolist(), strict=True):
            kept = self.state.setdefault(row, self._young())
            kept.seen += 1
            if take:
                for quantile in (kept.low, kept.middle, kept.high):
                    quantile.update(value)
                kept.model.learn_one({"x": self._squashed(kept, value)})

    def _young(self) -> RiverModel:
        trees = anomaly.HalfSpaceTrees(
            n_trees=10, height=6, window_size=self._memory, seed=self._seed
        )
        low, middle, high = (
            stats.RollingQuantile(q, window_size=self._memory) for q in (0.05, 0.5, 0.95)
        )
        return RiverModel(trees, low, middle, high)

    def _score(self, row: int, value: float) -> float:
        kept = self.state.get(row)
        if kept is None or kept.seen < self._warmup or kept.middle.get() is None:
            return 0.0
        return float(kept.model.score_one({"x": self._squashed(kept, value)})) / self._boundary

    def _squashed(self, kept: RiverModel, value: float) -> float:
        spread = max(kept.high.get() - kept.low.get(), self._floor)
        return 0.5 + 0.5 * float(np.tanh((value - kept.middle.get()) / (2 * spread)))

    def _band(self, row: int) -> tuple[float, float, float]:
        kept = self.state.get(row)
        if kept is None or kept.middle.get() is None:
            return -np.inf, np.nan, np.inf
        return kept.low.get(), kept.middle.get(), kept.high.get()
