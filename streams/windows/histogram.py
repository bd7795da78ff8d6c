"""Values in, counts per logarithmic bucket out; counts in, quantiles within 1 % out.

A DDSketch (Masson, Rim and Lee, VLDB 2019) over int64 fixed-point values: bucket 0 holds 0, bucket
``b`` holds the values in ``(g ** (b - 2), g ** (b - 1)]`` with ``g = (1 + a) / (1 - a)``, ``a`` =
1 %. Edges are computed in whole numbers, so that every machine sorts a value into the same bucket.
"""

from typing import Final

import numpy as np

from streams.windows.table import Floats, Ints, Sparse

RELATIVE_ERROR: Final = 0.01
VALUE_LIMIT: Final = 2**53
"""Fixed-point values are below this: float64 holds them exactly."""

_UP, _DOWN = 101, 99  # g = 101 / 99


def _edges_and_middles() -> tuple[Ints, Floats]:
    """Largest value of each bucket, and the value that is within 1 % of all in it."""
    edges, middles = [0], [0.0]
    up, down = 1, 1
    while edges[-1] < VALUE_LIMIT:
        edges.append(up // down)
        middles.append(up * 2 * _DOWN / (down * (_UP + _DOWN)))
        up, down = up * _UP, down * _DOWN
    return np.array(edges, np.int64), np.array(middles)


_EDGES, _MIDDLES = _edges_and_middles()
BUCKETS: Final = int(_EDGES.size)
"""How many buckets there are; a bucket is a number below this."""


def bucket_of(values: Ints) -> Ints:
    """The bucket of each value; what rounds to 0 or is below is in bucket 0.

    >>> bucket_of(np.array([0, 1, 2, 1_000_000]))
    array([  0,   1,  36, 692])
    """
    return np.searchsorted(_EDGES, np.minimum(values, VALUE_LIMIT)).astype(np.int64)


def counted(row: Ints, values: Ints) -> Sparse:
    """One histogram per row, of the values that belong to it (``row[i]`` is the row of value i)."""
    return _grouped(row * BUCKETS + bucket_of(values), None)


def merged(row: Ints, bucket: Ints, count: Ints) -> Sparse:
    """Triples in any order, with repetitions, as histograms."""
    return _grouped(row * BUCKETS + bucket, count)


def quantile(histogram: Sparse, rows: int, q: float) -> Floats:
    """The value at rank ``floor(q * (n - 1))`` of each of ``rows`` rows, in fixed-point units.

    Within ``RELATIVE_ERROR`` of the true one; NaN where a row has no values.
    """
    result = np.full(rows, np.nan)
    if histogram.row.size == 0:
        return result
    first = np.flatnonzero(np.diff(histogram.row, prepend=-1))
    present = histogram.row[first]
    total = np.add.reduceat(histogram.count, first)
    reached = np.cumsum(histogram.count)
    rank = np.floor(q * (total - 1)).astype(np.int64)
    at = np.searchsorted(reached, reached[first] - histogram.count[first] + rank, side="right")
    result[present] = _MIDDLES[histogram.bucket[at]]
    return result


def _grouped(key: Ints, count: Ints | None) -> Sparse:
    if count is None:
        keys, totals = np.unique(key, return_counts=True)
    else:
        keys, inverse = np.unique(key, return_inverse=True)
        totals = np.zeros(keys.size, np.int64)
        np.add.at(totals, inverse, count)
    return Sparse(keys // BUCKETS, keys % BUCKETS, totals.astype(np.int64))
