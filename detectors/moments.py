"""Means and variances of several series in, those of all that they saw together out."""

import numpy as np

from detectors.banks.base import Floats


def weighted(weights: Floats, values: Floats) -> Floats:
    """[1, ...]: the mean over rows; 0 where nothing weighs anything."""
    weights = weights.reshape(weights.shape + (1,) * (values.ndim - weights.ndim))
    total = weights.sum(axis=0, keepdims=True)
    sums = (weights * values).sum(axis=0, keepdims=True)
    return np.asarray(np.divide(sums, total, out=np.zeros_like(sums), where=total > 0))


def moments(weights: Floats, mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """What all saw varies within each and between them (Chan, Golub and LeVeque 1979).

    >>> of_two = moments(np.array([2.0, 2.0]), np.array([1.0, 3.0]), np.array([0.5, 0.5]))
    >>> [each.tolist() for each in of_two]
    [[2.0], [1.5]]
    """
    together = weighted(weights, mean)
    return together, weighted(weights, variance + (mean - together) ** 2)
