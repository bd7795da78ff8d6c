"""Demand returns to where it was on average lately: simple exponential smoothing."""

from collections import deque

import numpy as np

from autoscaler.forecasters.hindcast import Hindcast
from streams.errors import InvalidParameterError
from streams.windows.table import Floats


class Smooth(Hindcast):
    """``forecast = level``, an exponentially weighted mean: right where demand is few requests.

    half_life_s: seconds after which an observation counts half, at least five observations.

    >>> forecaster = Smooth(half_life_s=10)
    >>> for second in range(100):
    ...     forecaster.observe(second * 1_000_000, 2.0 if second < 90 else 4.0)
    >>> [round(float(value), 1) for value in forecaster.forecast(1, [0.5])]
    [3.0]
    """

    def __init__(
        self, *, step_s: float = 1.0, memory: int = 900, half_life_s: float = 15.0
    ) -> None:
        super().__init__(step_s=step_s, memory=memory)
        if half_life_s <= 0:
            raise InvalidParameterError("half_life_s", half_life_s, "more than 0 s")
        self._weight = 1 - 0.5 ** (1 / max(5.0, half_life_s / step_s))
        self._levels: deque[float] = deque(maxlen=memory)
        self._seen = 0

    def points(self, steps: int) -> Floats:
        del steps
        return np.array(self._levels)

    def learn(self, at: int, value: float) -> None:
        del at
        self._seen += 1
        before = self._levels[-1] if self._levels else value
        # The first weights are 1, 1/2, 1/3...: otherwise the level starts out stuck at one value.
        self._levels.append(before + max(self._weight, 1 / self._seen) * (value - before))
