"""Demand goes on rising or falling for a while: Holt's damped trend."""

from collections import deque

import numpy as np

from autoscaler.forecasters.hindcast import Hindcast
from streams.errors import InvalidParameterError
from streams.windows.table import Floats


class Trend(Hindcast):
    """``forecast(h) = level + slope * (phi + phi^2 + ... + phi^h)`` (Gardner and McKenzie 1985).

    level_half_life_s, slope_half_life_s: seconds after which an observation counts half; at least
        two and eight observations, whatever the step.
    damping_half_life_s: seconds after which half of the slope is believed, at least 30 steps.

    >>> forecaster = Trend()
    >>> for second in range(120):
    ...     forecaster.observe(second * 1_000_000, 0.1 * second)
    >>> [round(float(value), 1) for value in forecaster.forecast(10, [0.5])]
    [13.0]
    """

    def __init__(
        self,
        *,
        step_s: float = 1.0,
        memory: int = 900,
        level_half_life_s: float = 4.0,
        slope_half_life_s: float = 20.0,
        damping_half_life_s: float = 60.0,
    ) -> None:
        super().__init__(step_s=step_s, memory=memory)
        for name, half_life_s in (
            ("level_half_life_s", level_half_life_s),
            ("slope_half_life_s", slope_half_life_s),
            ("damping_half_life_s", damping_half_life_s),
        ):
            if half_life_s <= 0:
                raise InvalidParameterError(name, half_life_s, "more than 0 s")
        self._alpha = 1 - 0.5 ** (1 / max(2.0, level_half_life_s / step_s))
        self._beta = 1 - 0.5 ** (1 / max(8.0, slope_half_life_s / step_s))
        self._phi = 0.5 ** (1 / max(30.0, damping_half_life_s / step_s))
        self._levels: deque[float] = deque(maxlen=memory)
        self._slopes: deque[float] = deque(maxlen=memory)

    def points(self, steps: int) -> Floats:
        reach = self._phi * (1 - self._phi**steps) / (1 - self._phi)
        forecast: Floats = np.array(self._levels) + reach * np.array(self._slopes)
        return forecast

    def learn(self, at: int, value: float) -> None:
        del at
        if not self._levels:
            self._levels.append(value)
            self._slopes.append(0.0)
            return
        before, slope = self._levels[-1], self._phi * self._slopes[-1]
        level = before + slope + self._alpha * (value - before - slope)
        self._levels.append(level)
        self._slopes.append(slope + self._beta * (level - before - slope))
