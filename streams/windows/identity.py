"""Records -> codes of their series, worked out once for each set of labels."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from sys import intern
from typing import Final

import msgspec
import numpy as np

from streams.series import SERIES_LABELS, series_id
from streams.windows.table import Ints

MAX_LABEL_CHARS: Final = 256
MAX_KNOWN: Final = 100_000
"""Sets of labels that are kept worked out; when there are more, all begin anew."""

ATTRIBUTES: Final[Mapping[str, tuple[str, ...]]] = {
    "request": (),
    "engine": ("engine", "version", "model"),
    "gpu": ("zone", "node_group", "model", "pool", "replica", "owner", "parent_uuid"),
}
"""Fields that go along with the labels of a series, but may change."""

LABELS: Final[Mapping[str, tuple[str, ...]]] = {
    kind: identity + ATTRIBUTES[kind] for kind, identity in SERIES_LABELS.items()
}


class SeriesIndex(dict[tuple[str, ...], int]):
    """Values of ``LABELS[kind]`` -> code; a code is a place in ``series`` and ``sets``.

    The code is -1 where a label is too long or cannot be printed. Codes hold until ``trim``.
    What is kept of a set of labels is small: there may be 100,000 for each source partition.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.series: list[int] = []
        self.sets: list[tuple[str, ...]] = []
        self._values = attrgetter(*LABELS[kind])

    def trim(self) -> None:
        """Call between batches: what is kept stays bounded."""
        if len(self) > MAX_KNOWN:
            self.clear()
            self.series, self.sets = [], []

    def codes_of(self, records: Sequence[msgspec.Struct]) -> Ints:
        # Through ``dict.__getitem__``, which calls ``__missing__``: no Python code per record.
        return np.fromiter(map(self.__getitem__, map(self._values, records)), np.int64)

    def __missing__(self, values: tuple[str, ...]) -> int:
        if not all(len(value) <= MAX_LABEL_CHARS and value.isprintable() for value in values):
            return -1  # Not kept: it may be large.
        values = tuple(map(intern, values))  # every record has its own copy of a pool's name
        code = self[values] = len(self.series)
        labels = dict(zip(LABELS[self.kind], values, strict=True))
        self.series.append(series_id(self.kind, labels))
        self.sets.append(values)
        return code

    def labels(self, code: int) -> dict[str, str]:
        """Labels always, attributes where known."""
        always = len(SERIES_LABELS[self.kind])
        pairs = zip(LABELS[self.kind], self.sets[code], strict=True)
        return {name: text for i, (name, text) in enumerate(pairs) if text or i < always}
