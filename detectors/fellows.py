"""Alike series in, what each one's group shows out."""

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
    order = np.lexsort((values, ~counts, group))
    values, group, counts = values[order], group[order], counts[order]
    # In this order: where each one's group begins, those that count first, and how many count.
    begins, ends = np.searchsorted(group, group), np.searchsorted(group, group, side="right")
    so_far = np.concatenate([[0], np.cumsum(counts)])
    many = so_far[ends] - so_far[begins]
    own = np.where(counts, np.arange(values.size) - begins, many)
    others = many - counts
    some = others > 0
    # The two in the middle of the others, which are one place on from the own one on.
    middles = ((others - 1) // 2, others // 2)
    low, high = (values[(begins + middle + (middle >= own))[some]] for middle in middles)
    medians[order[some]] = (low + high) / 2
    return medians


def quartile_of_group(values: Floats, group: Rows) -> Floats:
    """For each value the lower quartile of its group, itself among them; NaN when it is alone.

    >>> quartile_of_group(np.array([9.0, 2.0, 0.0, 9.0, 5.0]), np.array([1, 1, 1, 1, 2]))
    array([ 0.,  0.,  0.,  0., nan])
    """
    order = np.lexsort((values, group))
    _, first, place, count = np.unique(
        group[order], return_index=True, return_inverse=True, return_counts=True
    )
    quartile = np.where(count > 1, values[order][first + (count - 1) // 4], np.nan)
    found = np.empty(values.shape)
    found[order] = quartile[place]
    return found
