"""How sure it is that one is better than another on files of the same kind."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.bench.worth import Worth

ROUNDS: Final = 4000


@dataclass(frozen=True, slots=True)
class Difference:
    """Ours less theirs, with the 95 % interval of files drawn anew."""

    value: float
    low: float
    high: float


def paired(ours: Worth, theirs: Worth, seed: int) -> Difference | None:
    """Both are judged on the same files each time; None where nothing can be found in any.

    >>> one, other = (Worth(np.array(got), np.ones(2)) for got in ([0.9, 0.6], [0.7, 0.5]))
    >>> difference = paired(one, other, seed=0)
    >>> [round(x, 2) for x in (difference.value, difference.low, difference.high)]
    [0.15, 0.1, 0.2]
    """
    if ours.value is None or theirs.value is None:
        return None
    files = len(ours.of)
    drawn = np.random.default_rng(seed).integers(0, files, (ROUNDS, files))
    gaps = (ours.got - theirs.got)[drawn].sum(axis=1)
    room = ours.of[drawn].sum(axis=1)
    low, high = np.percentile(gaps[room > 0] / room[room > 0], [2.5, 97.5])
    return Difference(ours.value - theirs.value, float(low), float(high))
