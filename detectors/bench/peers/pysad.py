"""PySAD's models."""

from contextlib import redirect_stdout
from typing import Final

import numpy as np

from detectors.banks.base import Floats
from detectors.bench.labelled import probation
from detectors.bench.peers.base import lagged

LEAST_PROBATION: Final = 48
"""Rows that KNN-CAD cannot do without."""


def knn_cad(values: Floats, _: int) -> Floats:
    """Sum of the distances to the nearest 27 stretches of 19 rows, as a rank in its own past.

    Its probation is that of NAB, as NAB's own detectors are told it.
    """
    from pysad.models import KNNCAD  # noqa: PLC0415  an extra of the benchmark

    model = KNNCAD(max(LEAST_PROBATION, probation(len(values))))
    with redirect_stdout(None):  # it prints each covariance that cannot be inverted
        return np.array([model.fit_score_partial(row) for row in values])


def loda(values: Floats, seed: int) -> Floats:
    """Histograms of random projections of the row, or of the last values of a single series."""
    from pysad.models import LODA  # noqa: PLC0415  an extra of the benchmark

    model = LODA(random_state=seed)
    return np.array([model.fit_score_partial(row) for row in lagged(values)])
