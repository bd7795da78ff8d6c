"""What every forecaster keeps: values in as they are observed, quantiles at a horizon out."""

from collections.abc import Sequence
from typing import Protocol

from streams.windows.table import Floats


class Forecaster(Protocol):
    """Forecasts one series of demand, which is never negative.

    The same observations give the same forecasts; nothing else goes in.
    """

    def observe(self, at_us: int, value: float) -> None:
        """Take the next value in. One that is not newer than the last is ignored; a gap is filled
        with the last value, up to the bound of what is remembered.

        Raises InvalidParameterError if the value is not finite or below 0.
        """
        ...

    def forecast(self, horizon_s: float, quantiles: Sequence[float]) -> Floats:
        """The demand ``horizon_s`` after the last observation: finite, at least 0, and in the order
        of ``quantiles``, which ascend. All 0 before the first observation.

        Raises InvalidParameterError if a quantile is not between 0 and 1 or they do not ascend.
        """
        ...
