"""The Predictive Horizontal Pod Autoscaler: an HPA's replicas, forecast by their season."""

from typing import Final

import numpy as np

from autoscaler.backtest.peers.behaviour import Behaviour
from autoscaler.backtest.peers.hpa import HpaConcurrency
from autoscaler.backtest.policy import Floats, Seen, Shape
from autoscaler.plan import whole

STEP_S: Final = 300
SEASON: Final = 86_400 // STEP_S
LEVEL: Final = 0.5
TREND: Final = 0.01
SEASONAL: Final = 0.3


class PredictiveHpa:
    """The larger of an HPA's recommendation and its Holt-Winters forecast one step ahead.

    Additive, a season of a day in steps of five minutes, so that one step covers a cold start;
    it needs two days. Rates count by the minute.
    Source: jthomperoo/predictive-horizontal-pod-autoscaler 0.13, algorithms/holt_winters.
    """

    def __init__(self, shape: Shape, target_ratio: float) -> None:
        self._hpa = HpaConcurrency(shape, target_ratio)
        self._behaviour = Behaviour(period_s=60)
        self._past: list[float] = []
        self._season: Floats | None = None
        self._level = self._trend = 0.0
        self._at = 0
        self._forecast = 0

    def decide(self, seen: Seen) -> int:
        recommended = self._hpa.recommend(seen)
        if seen.now_s % STEP_S == 0:
            self._learn(float(recommended))
        wanted = max(1, recommended, self._forecast)
        return self._behaviour(seen.now_s, seen.ordered, wanted)

    def _learn(self, replicas: float) -> None:
        if self._season is None:
            self._begin(replicas)
        else:
            self._step(self._season, replicas)
        if self._season is not None:
            self._forecast = whole(self._level + self._trend + self._season[self._at])

    def _begin(self, replicas: float) -> None:
        self._past.append(replicas)
        if len(self._past) < 2 * SEASON:
            return
        days = np.array(self._past).reshape(2, SEASON)
        means = days.mean(axis=1)
        self._level, self._trend = float(means[1]), float(means[1] - means[0]) / SEASON
        self._season = (days - means[:, None]).mean(axis=0)

    def _step(self, season: Floats, replicas: float) -> None:
        before, usual = self._level, float(season[self._at])
        self._level = LEVEL * (replicas - usual) + (1 - LEVEL) * (before + self._trend)
        remainder = replicas - before - self._trend
        self._trend = TREND * (self._level - before) + (1 - TREND) * self._trend
        season[self._at] = SEASONAL * remainder + (1 - SEASONAL) * usual
        self._at = (self._at + 1) % SEASON
