"""Demand returns to where it was: right where it is restless and a horizon is long."""

from typing import Final

from autoscaler.forecasters.level import Level

HORIZONS: Final = 6
"""Half-life of the longer past."""


class Returning:
    """Half way between the last minute and a longer past, the longer the horizon."""

    def __init__(self) -> None:
        self._minute, self._past = Level(60), Level(60)

    def aim(self, horizon_s: float) -> None:
        self._past.last(max(60.0, HORIZONS * horizon_s))

    def learn(self, second: int, demand: float) -> None:
        del second
        self._minute.learn(demand)
        self._past.learn(demand)

    def expects(self) -> float:
        return (self._minute.value + self._past.value) / 2
