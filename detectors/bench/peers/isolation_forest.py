"""scikit-learn's isolation forest, fitted again and again on the recent past."""

from typing import Final

import numpy as np
from sklearn.ensemble import IsolationForest

from detectors.banks.base import Floats
from detectors.bench.peers.base import lagged

EVERY: Final = 250
"""Rows after which it is fitted anew."""
MEMORY: Final = 2000


def isolation_forest(values: Floats, seed: int) -> Floats:
    rows = lagged(values)
    found = np.zeros(len(rows))
    for start in range(EVERY // 4, len(rows), EVERY):
        model = IsolationForest(random_state=seed).fit(rows[max(0, start - MEMORY) : start])
        found[start : start + EVERY] = -model.score_samples(rows[start : start + EVERY])
    return found
