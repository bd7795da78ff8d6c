"""Many values of one record in one text, ``value:count`` pairs parted by spaces."""

from typing import Final

import numpy as np

from streams.windows.histogram import VALUE_LIMIT
from streams.windows.table import Floats, Ints

MAX_SPREAD_CHARS: Final = 8_192
_COUNT_LIMIT: Final = 2**40


def spread_text(values: Floats, counts: Ints) -> str:
    """Values with six digits, those that nothing counts left out.

    >>> spread_text(np.array([0.16, 0.175, 0.2]), np.array([3, 0, 2]))
    '0.16:3 0.2:2'
    """
    pairs = zip(values.tolist(), counts.tolist(), strict=True)
    return " ".join(f"{value:.6g}:{count}" for value, count in pairs if count)


def read_spread(text: str, scale: int) -> tuple[Ints, Ints] | None:
    """Fixed-point values and their counts; None for what is none or too large to be added up.

    >>> read_spread("0.16:3 0.2:2", 1_000_000)
    (array([160000, 200000]), array([3, 2]))
    >>> read_spread("0.16:3 0.2", 1_000_000)
    """
    try:
        pairs = np.array([pair.split(":") for pair in text.split(" ")], np.float64)
    except ValueError:
        return None
    if len(text) > MAX_SPREAD_CHARS or pairs.ndim != 2 or pairs.shape[1] != 2:
        return None
    values, counts = pairs[:, 0] * scale, pairs[:, 1]
    sound = (values > -0.5) & (counts >= 1) & (counts < _COUNT_LIMIT) & (counts % 1 == 0)
    if not sound.all() or not values @ counts < VALUE_LIMIT:
        return None
    return np.rint(values).astype(np.int64), counts.astype(np.int64)
