"""Another peer's scores as rarities: how seldom its own past shows one as high."""

from typing import Final

import numpy as np

from detectors.banks.base import Floats
from detectors.bench.peers.base import Scores

EVERY: Final = 50
"""Rows after which the tail is fitted anew."""
MEMORY: Final = 2000
TAIL: Final = 0.1
"""Share of the past that an exponential is fitted to."""


def tail_calibrated(peer: Scores) -> Scores:
    """``-log10 p``: the rank in the past below the tail, an exponential in it."""

    def scores(values: Floats, seed: int) -> Floats:
        raw = peer(values, seed)
        found = np.zeros(len(raw))
        for start in range(EVERY, len(raw), EVERY):
            block = slice(start, start + EVERY)
            found[block] = _rarity(np.sort(raw[max(0, start - MEMORY) : start]), raw[block])
        return found

    return scores


def _rarity(past: Floats, raw: Floats) -> Floats:
    begins = past[int((1 - TAIL) * len(past))]
    excess = np.mean(past[past >= begins] - begins) + 1e-9
    above = 1 - np.searchsorted(past, raw) / (len(past) + 1)
    beyond = np.maximum(raw - begins, 0) / excess * np.log10(np.e) - np.log10(TAIL)
    rarity: Floats = np.where(raw > begins, beyond, np.minimum(-np.log10(above), -np.log10(TAIL)))
    return rarity
