"""PySAD's models."""

import numpy as np

from detectors.banks.base import Floats
from detectors.bench.peers.base import lagged


def loda(values: Floats, seed: int) -> Floats:
    """Histograms of random projections of the row, or of the last values of a single series."""
    from pysad.models import LODA  # noqa: PLC0415  an extra of the benchmark

    model = LODA(random_state=seed)
    return np.array([model.fit_score_partial(row) for row in lagged(values)])
