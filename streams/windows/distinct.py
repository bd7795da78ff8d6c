"""Whole numbers in, the distinct ones and the place of each among them out."""

import numpy as np

from streams.windows.table import Ints


def distinct(key: Ints, size: int) -> tuple[Ints, Ints]:
    """Sorted distinct keys, which are from 0 to below ``size``, and for each key its place.

    >>> distinct(np.array([5, 2, 5]), size=6)
    (array([2, 5]), array([1, 0, 1]))
    """
    if size > 8 * key.size + 1024:
        keys, place = np.unique(key, return_inverse=True)
        return keys, place
    seen = np.zeros(size, np.bool_)  # Without sorting, where keys lie dense.
    seen[key] = True
    return np.flatnonzero(seen), (np.cumsum(seen) - 1)[key]
