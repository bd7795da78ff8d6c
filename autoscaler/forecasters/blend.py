"""All forecasters in one: the quantiles of the highest demand until a horizon."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from autoscaler.forecasters.base import Forecaster
from autoscaler.forecasters.even_scale import demand_at, even
from autoscaler.forecasters.level import Level
from autoscaler.forecasters.past_errors import PastErrors
from autoscaler.highest import Highest
from streams.clock import SECOND_US
from streams.errors import InvalidParameterError
from streams.windows.table import Floats

JUDGE_EVERY_S: Final = 10
LEARN_AFTER_HORIZONS, LEARN_AFTER_S = 5, 120
"""What was forecast from less is not judged: levels have to find their place first."""
MEAN_HORIZONS, SPREAD_HORIZONS, LEAST_HALF_LIFE_S = 2, 4, 30
"""Half-lives of the mean that demand spreads round, and of the spread."""
MAX_GAP_S: Final = 10
JUDGED: Final = np.array([0.5, 0.8, 0.96])
"""Quantiles whose pinball loss decides whom to trust."""
SHARPNESS: Final = 16.0
"""A forecaster with a tenth more loss gets exp(-1.6) of the weight."""
ERRORS_HALF_LIFE_S, LOSSES_HALF_LIFE_S = 86_400, 21_600
PRIOR_LOSSES: Final = 30.0
USUAL_SPREAD, LEAST_SPREAD = 0.5, 0.1
OTHER_HORIZON: Final = 1.25
"""A horizon longer or shorter by this factor has errors of its own."""


@dataclass(frozen=True, slots=True)
class _Due:
    second: int
    levels: Floats
    spread: float
    judged: Floats


class Blend:
    """``quantile = sum of weight * (level + spread * quantile of past errors)`` on the even scale.

    * level: where a forecaster sees demand,
    * spread: how restless demand was in the last horizons,
    * past errors: of that forecaster, the highest demand until the horizon less its level, in
      spreads; half of them from the last day, judged every 10 s (split conformal, rolling),
    * weight: by its recent pinball loss; all the same at first.
    """

    def __init__(self, forecasters: Mapping[str, Forecaster]) -> None:
        self._forecasters = tuple(forecasters.values())
        self._mean = Level(1)
        self._variance = Level(1, value=USUAL_SPREAD**2, seen=LEARN_AFTER_S)
        self._last: int | None = None
        self._demand = 0.0
        self._since = 0
        self._offsets: tuple[tuple[float, ...], list[float]] | None = None
        self._calibrate(1)

    def observe(self, at_us: int, demand: float) -> None:
        """The demand of the second that ended at ``at_us``.

        One that is not newer than the last is ignored. A short gap is filled with the last value;
        a longer one is left out, and what was forecast before it is not judged.

        Raises InvalidParameterError if demand is not finite or below 0.
        """
        if not (math.isfinite(demand) and demand >= 0):
            raise InvalidParameterError("demand", demand, "finite and at least 0")
        second = at_us // SECOND_US
        if self._last is None or second - self._last > MAX_GAP_S:
            self._begin(second)
        elif second <= self._last:
            return
        else:
            for missing in range(self._last + 1, second):
                self._take(missing, self._demand)
        self._take(second, demand)

    def forecast(
        self, horizon_s: float, quantiles: Sequence[float], at_least: float = 0.0
    ) -> list[float]:
        """Of the highest demand between the last second and ``horizon_s`` after it.

        at_least: demand that somebody expects; where no less is seen coming, it changes nothing.

        Finite, at least 0 and in the order of ``quantiles``, which ascend. 0 before the first.

        Raises InvalidParameterError if a quantile is not between 0 and 1 or they do not ascend.
        """
        asked = tuple(quantiles)
        if not all(0 < q < 1 for q in asked) or list(asked) != sorted(asked):
            raise InvalidParameterError("quantiles", list(asked), "ascending, between 0 and 1")
        if not max(horizon_s, 1) / OTHER_HORIZON <= self._horizon <= horizon_s * OTHER_HORIZON + 1:
            self._calibrate(max(1, round(horizon_s)))
        if self._last is None:
            return [0.0] * len(asked)
        if self._offsets is None or self._offsets[0] != asked:
            offsets = self._weights @ self._errors.quantiles(asked)
            self._offsets = (asked, offsets.tolist())
        level = sum(
            weight * even(forecaster.expects())
            for weight, forecaster in zip(self._shares, self._forecasters, strict=True)
        )
        level, spread = max(level, even(at_least)), self._spread()
        return [demand_at(level + spread * offset) for offset in self._offsets[1]]

    def _begin(self, second: int) -> None:
        self._since = second
        self._due.clear()
        self._highest = Highest(self._horizon)

    def _calibrate(self, horizon: int) -> None:
        count = len(self._forecasters)
        self._horizon = horizon
        for forecaster in self._forecasters:
            forecaster.aim(horizon)
        self._mean.last(max(LEAST_HALF_LIFE_S, MEAN_HORIZONS * horizon))
        self._variance.last(max(LEAST_HALF_LIFE_S, SPREAD_HORIZONS * horizon))
        self._errors = PastErrors(count, horizon, ERRORS_HALF_LIFE_S / JUDGE_EVERY_S)
        self._losses, self._judgements = np.zeros(count), 0.0
        self._weigh()
        self._due: deque[_Due] = deque()
        self._highest = Highest(horizon)
        self._offsets = None

    def _take(self, second: int, demand: float) -> None:
        for forecaster in self._forecasters:
            forecaster.learn(second, demand)
        level = even(demand)
        settled = second - self._since >= min(LEARN_AFTER_S, LEARN_AFTER_HORIZONS * self._horizon)
        if settled:
            self._mean.learn(demand)
            self._variance.learn(2 * max(0.0, level - even(self._mean.value)) ** 2)
        highest = self._highest.see(second, level)
        self._last, self._demand = second, demand
        if second % JUDGE_EVERY_S == 0:
            if self._due and second - self._due[0].second >= self._horizon:
                self._judge(self._due.popleft(), highest)
            if settled:
                self._remember(second)

    def _spread(self) -> float:
        return max(LEAST_SPREAD, math.sqrt(self._variance.value))

    def _remember(self, second: int) -> None:
        expected = [forecaster.expects() for forecaster in self._forecasters]
        levels, spread = np.array([even(demand) for demand in expected]), self._spread()
        judged = levels[:, None] + spread * self._errors.quantiles(JUDGED.tolist())
        self._due.append(_Due(second, levels, spread, judged))

    def _judge(self, due: _Due, highest: float) -> None:
        """``highest`` since it was made; up to 9 s more, where the horizon is not whole tens."""
        self._errors.learn((highest - due.levels) / due.spread)
        rest = highest - due.judged
        keep = 0.5 ** (JUDGE_EVERY_S / LOSSES_HALF_LIFE_S)
        self._losses = keep * self._losses + np.maximum(JUDGED * rest, (JUDGED - 1) * rest).sum(1)
        self._judgements = keep * self._judgements + 1
        self._weigh()
        self._offsets = None

    def _weigh(self) -> None:
        # With few judgements all are about the same: the prior is one spread each.
        losses = self._losses + PRIOR_LOSSES
        weights = np.exp(-SHARPNESS * (losses / losses.min() - 1))
        self._weights = weights / weights.sum()
        self._shares: list[float] = self._weights.tolist()
