"""Figures of several runs in; median, spread, percentiles and ratios out."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of some runs and how far the others lie apart."""

    median: float
    low: float
    high: float

    def text(self, digits: int = 0, per: float = 1.0) -> str:
        """Median and range, divided by ``per``.

        >>> Spread(2.0, 1.5, 4.0).text(1)
        '2.0 (1.5–4.0)'
        """
        middle, low, high = (
            f"{value / per:,.{digits}f}" for value in (self.median, self.low, self.high)
        )
        return f"{middle} ({low}–{high})"


def spread(values: Sequence[float]) -> Spread:
    """Raises StatisticsError without values.

    >>> spread([3, 1, 2])
    Spread(median=2, low=1, high=3)
    """
    return Spread(statistics.median(values), min(values), max(values))


def percentile(values: Sequence[float], counts: Sequence[int], share: float) -> float:
    """The smallest value that ``share`` of all, each counted ``counts`` times, does not exceed.

    >>> percentile([3.0, 1.0], [1, 99], 0.99)
    1.0
    """
    order = np.argsort(values)
    reached = np.cumsum(np.asarray(counts)[order])
    at = int(np.searchsorted(reached, share * reached[-1]))
    return float(np.asarray(values)[order][at])
