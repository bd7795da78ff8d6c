"""What a contender is worth on the files of a set: a ratio of sums over them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from detectors.banks.base import Floats
from detectors.bench.labelled import Labelled

SPLITS: Final = 10
"""So often the files are parted in halves by chance; each is judged by the other's threshold."""
BOUNDARY: Final = 1.0
"""The threshold nobody chose: where our own score says that something is wrong."""

Half = tuple[tuple[int, ...], tuple[int, ...]]
"""Places of files: those a threshold is chosen on, those it is judged on."""
Splits = Sequence[tuple[Half, Half]]
"""Partings of the files, each both ways round."""


@dataclass(frozen=True, slots=True)
class Worth:
    """``sum(got) / sum(of)`` over files; a file without anything to find has 0 in both.

    also: what else a reader wants to know of all files together.
    each: and of each file.
    """

    got: Floats
    of: Floats
    also: Mapping[str, float | None] = field(default_factory=dict)
    each: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def value(self) -> float | None:
        return float(self.got.sum() / self.of.sum()) if self.of.sum() > 0 else None


Measure = Callable[[Sequence[Labelled], Splits, Sequence[Floats]], Mapping[str, Worth]]
"""Of files, their partings, and the scores of each file's rows: worth by what is told."""


def splits(files: int, seed: int) -> Splits:
    """None for a single file.

    >>> len(splits(1, 0)), len(splits(2, 0))
    (0, 10)
    """
    if files < 2:
        return []
    rng, cut = np.random.default_rng(seed), files // 2
    orders = [tuple(rng.permutation(files).tolist()) for _ in range(SPLITS)]
    return [((o[:cut], o[cut:]), (o[cut:], o[:cut])) for o in orders]
