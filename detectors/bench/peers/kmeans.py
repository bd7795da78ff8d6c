"""Two clusters for each metric over short stretches of its changes, as Netdata trains them."""

from typing import Final

import numpy as np
from sklearn.cluster import KMeans

from detectors.banks.base import Floats

LAGS: Final = 6
SMOOTHED: Final = 3
EVERY: Final = 1000
"""Rows after which a model is trained anew, on as many times ``PAST`` before."""
PAST: Final = 2
USUAL: Final = 0.99
"""Share of the distances in training that are taken to be usual."""


def netdata_kmeans(values: Floats, seed: int) -> Floats:
    """Mean over the metrics of the distance to the nearer centre in units of the usual one."""
    found = np.zeros(len(values))
    for column in values.T:
        stretches = _stretches(column)
        for start in range(EVERY // 4, len(values), EVERY):
            past = stretches[max(0, start - PAST * EVERY) : start]
            block = slice(start, start + EVERY)
            found[block] += _apart(past, stretches[block], seed)
    mean: Floats = found / values.shape[1]
    return mean


def _stretches(column: Floats) -> Floats:
    """The last smoothed changes, float64[rows, LAGS]."""
    changes = np.diff(column, prepend=column[0])
    smooth = np.convolve(changes, np.ones(SMOOTHED) / SMOOTHED)[: len(column)]
    return np.lib.stride_tricks.sliding_window_view(np.append(np.zeros(LAGS - 1), smooth), LAGS)


def _apart(past: Floats, rows: Floats, seed: int) -> Floats:
    distinct = np.unique(past, axis=0)
    clusters = min(2, len(distinct))
    model = KMeans(clusters, n_init=1, max_iter=50, random_state=seed).fit(past)
    usual = np.quantile(model.transform(past).min(axis=1), USUAL)
    apart = model.transform(rows).min(axis=1) / (usual + 1e-9)
    return np.asarray(np.minimum(apart, 100.0), np.float64)
