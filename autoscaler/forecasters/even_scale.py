"""A scale on which demand spreads about as far at any size.

Counts of few requests spread as their square root, those of many in proportion: the variance is
``x + RELATIVE * x**2``, and on ``2 asinh(sqrt(RELATIVE x)) / sqrt(RELATIVE)`` it is 1.
"""

import math
from typing import Final

RELATIVE: Final = 0.02
_ROOT: Final = math.sqrt(RELATIVE)


def even(demand: float) -> float:
    return 2 / _ROOT * math.asinh(_ROOT * math.sqrt(demand))


def demand_at(level: float) -> float:
    """The demand at a place on the scale; 0 below it.

    >>> round(demand_at(even(70.0)), 6), demand_at(-1.0)
    (70.0, 0.0)
    """
    # Beyond 700 / _ROOT there is no float for it, and no pool.
    return math.sinh(min(max(level, 0.0) * _ROOT / 2, 300.0)) ** 2 / RELATIVE
