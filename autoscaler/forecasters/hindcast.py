"""What point forecasters share: the spread of a forecast is that of their own past errors."""

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

import numpy as np

from streams.clock import SECOND_US
from streams.errors import InvalidParameterError
from streams.windows.table import Floats

PRIOR_ERRORS: Final = 5.0
"""So many independent errors weigh as much as the prior spread."""


class Hindcast(ABC):
    """A point forecast with the quantiles of what the same rule missed by in the recent past.

    An error counts relative to ``sqrt(1 + forecast)``, as counts of independent arrivals spread, so
    that errors made at low demand say something about high demand. The prior is that spread itself.

    step_s: seconds between observations.
    memory: how many observations are remembered.
    """

    def __init__(self, *, step_s: float = 1.0, memory: int = 900) -> None:
        if step_s <= 0:
            raise InvalidParameterError("step_s", step_s, "more than 0 s")
        self.step_s = step_s
        self._memory = memory
        self._values: deque[float] = deque(maxlen=memory)
        self._last = 0

    def observe(self, at_us: int, value: float) -> None:
        if not (math.isfinite(value) and value >= 0):
            raise InvalidParameterError("value", value, "finite and at least 0")
        at = round(at_us / (self.step_s * SECOND_US))
        if self._values and at <= self._last:
            return
        if self._values:
            for gap in range(max(self._last + 1, at - self._memory), at):
                self.take(gap, self._values[-1])
        self.take(at, value)

    def forecast(self, horizon_s: float, quantiles: Sequence[float]) -> Floats:
        asked = np.asarray(quantiles, np.float64)
        if not np.all((asked > 0) & (asked < 1)) or np.any(np.diff(asked) < 0):
            raise InvalidParameterError("quantiles", list(quantiles), "ascending, between 0 and 1")
        if not self._values:
            return np.zeros(asked.size)
        steps = max(1, round(horizon_s / self.step_s))
        points = np.maximum(self.points(steps), 0.0)
        spread = self._spread(errors_of(points, self.values(), steps), asked, steps)
        found: Floats = np.maximum(points[-1] + spread * math.sqrt(1 + points[-1]), 0.0)
        return found

    def values(self) -> Floats:
        """What is remembered, oldest first."""
        return np.array(self._values)

    @abstractmethod
    def points(self, steps: int) -> Floats:
        """At each remembered observation, what it said of the value ``steps`` later."""

    @abstractmethod
    def learn(self, at: int, value: float) -> None:
        """Update what ``points`` needs beyond the values; ``at`` counts steps since the epoch."""

    def take(self, at: int, value: float) -> None:
        """One step, checked and in order already."""
        self._last = at
        self._values.append(value)
        self.learn(at, value)

    @staticmethod
    def _spread(errors: Floats, asked: Floats, steps: int) -> Floats:
        prior = np.array([NormalDist().inv_cdf(q) for q in asked.tolist()])
        if not errors.size:
            return prior
        # Errors of overlapping horizons repeat each other: so many are independent.
        weight = errors.size / steps
        weight /= weight + PRIOR_ERRORS
        return weight * np.quantile(errors, asked) + (1 - weight) * prior


def errors_of(points: Floats, values: Floats, steps: int) -> Floats:
    """Observed less forecast, relative to the spread of counts, for each forecast come due."""
    if values.size <= steps:
        return np.zeros(0)
    due = points[:-steps]
    return (values[steps:] - due) / np.sqrt(1 + due)
