"""A pool's forecast in, the misses that each of its replicas avoids in an hour out."""

import math
from typing import Final

from autoscaler.plan import carries
from autoscaler.situation import Situation

HOUR_S: Final = 3_600.0
LEAST_SPREAD: Final = 0.01
"""Of demand: nobody knows it better, whatever quantiles say."""


def worth(situation: Situation, replicas: int) -> tuple[float, ...]:
    """For each of ``replicas``: requests per hour that find a slot because of it.

    The highest demand is taken as logistic, through the lowest and the planned quantile of the
    forecast (or the demand now as its median). ``scale * log(1 + exp((median - slots) / scale))``
    is what it exceeds some slots by, on average; a replica is worth how much less that is with it.

    >>> usual = Situation(pool="codex", now_us=0, standing=1, ready=1, low=1, high=9, slots=4,
    ...                   demand=6, upper=12, quantile=0.95, service_s=36)
    >>> [round(misses) for misses in worth(usual, 4)]
    [346, 200, 54, 9]
    """
    if situation.service_s <= 0:
        return ()
    median, scale = _spread(situation)
    slots = carries(situation).slots
    beyond = [_softplus((median - n * slots) / scale) * scale for n in range(replicas + 1)]
    per_hour = HOUR_S / situation.service_s
    return tuple((beyond[n] - beyond[n + 1]) * per_hour for n in range(replicas))


def _spread(situation: Situation) -> tuple[float, float]:
    low, at_low = 0.5, situation.demand
    if situation.forecast is not None and situation.forecast.quantiles[0].q < situation.quantile:
        first = situation.forecast.quantiles[0]
        low, at_low = first.q, first.value
    apart = _logit(situation.quantile) - _logit(low)
    scale = (situation.upper - at_low) / apart if apart > 0 else 0.0
    scale = max(scale, LEAST_SPREAD * max(1.0, situation.upper))
    return situation.upper - scale * _logit(situation.quantile), scale


def _logit(q: float) -> float:
    return math.log(q / (1 - q))


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))
