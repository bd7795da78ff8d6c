"""What came lately comes again: right where bursts follow each other."""

from typing import Final

from autoscaler.highest import Highest

HORIZONS: Final = 4


class Peak:
    """The highest demand of the last four horizons."""

    def __init__(self) -> None:
        self._highest = Highest(1)
        self._value = 0.0

    def aim(self, horizon_s: float) -> None:
        self._highest.span = max(1, round(HORIZONS * horizon_s))

    def learn(self, second: int, demand: float) -> None:
        self._value = self._highest.see(second, demand)

    def expects(self) -> float:
        return self._value
