"""What a peer is, and what several of them build on."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.banks.base import Floats

LAGS: Final = 10
"""A single value is judged together with those before it, so many in all."""

Scores = Callable[[Floats, int], Floats]
"""Of float64[rows, columns], finite, and a seed: how unusual each row is, float64[rows].

The score of a row depends on it and the rows before it, never on one behind it. Blocks of rows are
scored at once where a model stays the same for so long.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """what: the method and its settings, one for all series.

    extra: the package it needs that Tidegate does not bring.
    columns: the most that it can judge at once.
    """

    what: str
    scores: Scores
    extra: str = ""
    columns: float = math.inf


def lagged(values: Floats) -> Floats:
    """Several columns as they are; of one the last values, float64[rows, LAGS].

    >>> lagged(np.array([[1.0], [2.0], [3.0]]))[:, -3:].tolist()
    [[1.0, 1.0, 1.0], [1.0, 1.0, 2.0], [1.0, 2.0, 3.0]]
    """
    if values.shape[1] > 1:
        return values
    before = np.full(LAGS - 1, values[0, 0])
    return np.lib.stride_tricks.sliding_window_view(np.append(before, values[:, 0]), LAGS)


def distances(values: Floats, *, weight: float, floor: float) -> Floats:
    """Of each value from the mean of those before it, in standard deviations, with its sign.

    weight: of the newest value; 0 lets all of the past count alike.
    floor: of the standard deviation, as a share of the mean's size.
    """
    mean, variance = values[0].copy(), np.zeros(values.shape[1])
    found = np.zeros_like(values)
    for row, value in enumerate(values):
        error = value - mean
        spread = np.sqrt(variance) + floor * np.abs(mean) + 1e-9
        found[row] = error / spread if row >= LAGS else 0.0
        gain = max(weight, 1 / (row + 1))
        mean += gain * error
        variance = (1 - gain) * (variance + gain * error**2)
    return found
