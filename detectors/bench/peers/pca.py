"""What the main directions of the past leave unexplained of a row."""

from typing import Final

import numpy as np

from detectors.banks.base import Floats
from detectors.bench.peers.base import Scores, distances, lagged

EVERY: Final = 200
"""Rows after which the directions are computed anew, from all before."""
MOST: Final = 10.0
"""Distances enter cut off here, or one outage would be the first direction for ever."""


def pca_residual(*, explained: float) -> Scores:
    """Length of the residual; explained: share of the variance that the directions hold."""

    def scores(values: Floats, _: int) -> Floats:
        rows = np.clip(distances(lagged(values), weight=1e-4, floor=0.01), -MOST, MOST)
        found, products = np.zeros(len(rows)), np.zeros((rows.shape[1], rows.shape[1]))
        for start in range(0, len(rows), EVERY):
            block = rows[start : start + EVERY]
            if start:
                left = block @ _minor(products / start, explained)
                found[start : start + EVERY] = np.sqrt((left**2).sum(axis=1))
            products += block.T @ block
        return found

    return scores


def _minor(covariance: Floats, explained: float) -> Floats:
    """The directions beyond those that explain so much, scaled to a usual length of 1 together."""
    variances, directions = np.linalg.eigh(covariance)
    share = np.cumsum(variances) / max(float(variances.sum()), 1e-12)
    minor = max(1, int(np.searchsorted(share, 1 - explained)))
    usual = np.sqrt(max(float(variances[:minor].sum()), 1e-12))
    return np.asarray(directions[:, :minor] / usual, np.float64)
