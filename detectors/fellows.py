"""Alike series in, what the others of each one's group show out."""

import json
from collections.abc import Mapping
from hashlib import blake2b

import numpy as np

from detectors.banks.base import Bools, Floats, Rows


def group_of(labels: Mapping[str, str], by: tuple[str, ...]) -> int:
    """Number of the group of series that share the labels ``by``."""
    shared = json.dumps([labels.get(name, "") for name in by], ensure_ascii=False)
    digest = blake2b(shared.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def median_of_others(values: Floats, group: Rows, counts: Bools) -> Floats:
    """For each value the median of the other counting values of its group, NaN when it has none."""
    medians = np.full(values.shape, np.nan)
    for one in np.unique(group):
        members = np.flatnonzero(group == one)
        for i in members:
            others = values[members[(members != i) & counts[members]]]
            if others.size:
                medians[i] = np.median(others)
    return medians
