"""Which rows each of several members wants in, where its entries lie among those of all out."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from detectors.banks.base import Bools, Rows


@dataclass(frozen=True, slots=True)
class Share:
    """What a member judges of a window: entries ``start`` to ``end`` of all that is judged.

    at: which of the rows that were given. rows: these rows.
    """

    start: int
    end: int
    at: Rows
    rows: Rows


def shares_of(rows: Rows, wanted: Bools) -> list[Share]:
    """In the order of members; wanted: [row, member].

    >>> [one, other] = shares_of(np.array([7, 9]), np.array([[True, False], [True, True]]))
    >>> one.rows.tolist(), (other.start, other.end), other.at.tolist()
    ([7, 9], (2, 3), [1])
    """
    members, at = np.nonzero(wanted.T)
    theirs = rows[at]
    ends = np.searchsorted(members, np.arange(wanted.shape[1] + 1)).tolist()
    return [Share(a, b, at[a:b], theirs[a:b]) for a, b in pairwise(ends)]
