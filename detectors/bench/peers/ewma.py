"""Distance from a slowly adapted mean."""

import numpy as np

from detectors.banks.base import Floats
from detectors.bench.peers.base import Scores, distances


def ewma(*, weight: float) -> Scores:
    """Root mean square over the columns; weight: of the newest row, 0 for all of the past alike."""

    def scores(values: Floats, _: int) -> Floats:
        found: Floats = np.sqrt(np.mean(distances(values, weight=weight, floor=0.01) ** 2, axis=1))
        return found

    return scores
