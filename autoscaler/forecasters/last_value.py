"""Demand stays as it is: the baseline every other forecaster must beat."""

from autoscaler.forecasters.hindcast import Hindcast
from streams.windows.table import Floats


class LastValue(Hindcast):
    """``forecast = last value``.

    >>> forecaster = LastValue()
    >>> for second in range(60):
    ...     forecaster.observe(second * 1_000_000, 4.0)
    >>> [round(float(value), 1) for value in forecaster.forecast(10, [0.5, 0.9])]
    [4.0, 5.4]
    """

    def points(self, steps: int) -> Floats:
        del steps
        return self.values()

    def learn(self, at: int, value: float) -> None:
        pass
