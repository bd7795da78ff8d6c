"""What every forecaster keeps: demand in, second by second, where it is going out."""

from typing import Protocol


class Forecaster(Protocol):
    """Says where one series of demand is heading, without saying how sure that is.

    The same seconds give the same answers; nothing else goes in. ``Blend`` learns how far the
    highest demand until the horizon lies from each answer, and whom to trust.
    """

    def aim(self, horizon_s: float) -> None:
        """Look so far ahead from now on; told before the first second."""
        ...

    def learn(self, second: int, demand: float) -> None:
        """Take in a second since the epoch, newer than all before. Demand is finite, at least 0."""
        ...

    def expects(self) -> float:
        """Demand about a horizon after the last second: finite, at least 0; 0 at first."""
        ...
