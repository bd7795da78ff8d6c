"""How far forecasts were off lately, as quantiles: the conformal part of a forecast."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from streams.windows.table import Floats

LOWEST, HIGHEST, BINS = -4.0, 12.0, 240
_EDGES: Final = np.linspace(LOWEST, HIGHEST, BINS + 1)
_MIDDLES: Final = (_EDGES[1:] + _EDGES[:-1]) / 2
PRIOR_COUNTS: Final = 30.0
PRIOR_SPREAD: Final = 0.9
LONG_HORIZON_S: Final = 20.0


class PastErrors:
    """One histogram a forecaster; an error counts half after ``half_life`` later ones.

    Before there are errors, those stand in that five pools had, in units of the spread of demand:
    the highest of a longer horizon lies further off, as ``0.9 * log(1 + horizon / 20 s)``.
    """

    def __init__(self, forecasters: int, horizon_s: float, half_life: float) -> None:
        usual = PRIOR_SPREAD * math.log1p(horizon_s / LONG_HORIZON_S)
        prior = np.exp(-0.5 * ((_MIDDLES - usual) / PRIOR_SPREAD) ** 2)
        self._counts = np.tile(PRIOR_COUNTS * prior / prior.sum(), (forecasters, 1))
        self._rows = np.arange(forecasters)
        self._keep = 0.5 ** (1 / half_life)

    def learn(self, errors: Floats) -> None:
        """One of each forecaster."""
        bins = ((errors - LOWEST) * (BINS / (HIGHEST - LOWEST))).astype(np.int64)
        self._counts *= self._keep
        self._counts[self._rows, bins.clip(0, BINS - 1)] += 1

    def quantiles(self, asked: Sequence[float]) -> Floats:
        """A row a forecaster, a column a quantile."""
        found = np.empty((len(self._rows), len(asked)))
        below = np.zeros(BINS + 1)
        for row, counts in enumerate(self._counts):
            np.cumsum(counts, out=below[1:])
            found[row] = np.interp(np.multiply(asked, below[-1]), below, _EDGES)
        return found
