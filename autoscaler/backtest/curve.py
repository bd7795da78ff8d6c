"""GPU-hours against misses, as a curve through the settings of a policy."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

EQUAL_MISSES: Final = (0.001, 0.005, 0.01, 0.02)
LEAST: Final = 0.001
"""Fewer misses than this count as this: nobody pays to have none at all."""


class Point(NamedTuple):
    missed_ratio: float
    gpu_hours: float


def hours_at(points: Iterable[Point], missed_ratio: float) -> float | None:
    """GPU-hours at which so much is missed; None where no setting misses as much or as little.

    Straight between neighbouring settings over the logarithm of misses. A setting that another
    beats in both does not count.

    >>> curve = [Point(0.001, 120.0), Point(0.01, 100.0), Point(0.02, 110.0)]
    >>> hours_at(curve, 0.001), round(hours_at(curve, 0.00316), 1), hours_at(curve, 0.05)
    (120.0, 110.0, 100.0)
    """
    curve = _frontier(points)
    wanted = max(missed_ratio, LEAST)
    if not curve or curve[0].missed_ratio > wanted:
        return None
    for before, after in pairwise(curve):
        if before.missed_ratio <= wanted < after.missed_ratio:
            span = math.log(after.missed_ratio / before.missed_ratio)
            share = math.log(wanted / before.missed_ratio) / span
            return before.gpu_hours + share * (after.gpu_hours - before.gpu_hours)
    return curve[-1].gpu_hours


def _frontier(points: Iterable[Point]) -> Sequence[Point]:
    """From few misses to many, each cheaper than the one before."""
    kept: list[Point] = []
    for point in sorted(Point(max(missed, LEAST), hours) for missed, hours in points):
        if kept and point.gpu_hours >= kept[-1].gpu_hours:
            continue
        if kept and point.missed_ratio <= kept[-1].missed_ratio:
            kept.pop()
        kept.append(point)
    return kept


def geometric_mean(ratios: Sequence[float]) -> float:
    """Of ratios; 0 of none.

    >>> geometric_mean([1.0, 4.0])
    2.0
    """
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else 0.0
