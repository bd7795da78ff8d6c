"""Values and the group of each in, one number per group, or per value, out."""

import numpy as np

from streams.windows.table import Floats, Ints


def sums_before(group: Ints, values: Floats) -> Floats:
    """For each value the sum of the earlier ones of its group."""
    order = np.argsort(group, kind="stable")
    sums = np.cumsum(values[order]) - values[order]
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    sizes = np.diff(np.append(starts, group.size))
    before = np.empty_like(values)
    before[order] = sums - np.repeat(sums[starts], sizes) if group.size else sums
    return before


def sums(group: Ints, values: Floats, size: int) -> Floats:
    return np.asarray(np.bincount(group, values, minlength=size), np.float64)


def mean(group: Ints, values: Floats, size: int) -> Floats:
    count = np.bincount(group, minlength=size)
    total = np.bincount(group, values, minlength=size)
    means = np.full(size, np.nan)
    np.divide(total, count, out=means, where=count > 0)
    return means


def greatest(group: Ints, values: Floats, size: int) -> Floats:
    greatest = np.zeros(size)
    np.maximum.at(greatest, group, values)
    return greatest
