"""Distance to the nearest row of the past."""

from typing import Final

import numpy as np

from detectors.banks.base import Floats
from detectors.bench.peers.base import lagged

KEPT: Final = 300
"""Rows in the reservoir; each of the past is in it with the same probability."""


def nearest_neighbour(values: Floats, seed: int) -> Floats:
    rng, rows = np.random.default_rng(seed), lagged(values)
    reservoir, found = rows[:KEPT].copy(), np.zeros(len(rows))
    places = rng.integers(0, np.arange(len(rows)) + 1)
    for at, row in enumerate(rows):
        apart = reservoir[: min(at, KEPT)] - row
        found[at] = np.sqrt(np.einsum("ij,ij->i", apart, apart).min()) if at else 0.0
        if at >= KEPT and places[at] < KEPT:
            reservoir[places[at]] = row
    return found
