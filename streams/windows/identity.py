"""Records -> codes of their series, worked out once for each set of labels."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from sys import intern
from typing import Final

import msgspec
import numpy as np

from streams.clock import SECOND_US
from streams.series import SERIES_LABELS, series_id
from streams.windows.table import Ints

MAX_LABEL_CHARS: Final = 256
MAX_KNOWN: Final = 100_000
"""Sets of labels that are kept worked out; when there are more, all begin anew."""
KEPT_US: Final = 60 * SECOND_US
"""A set that has not come for so long is forgotten within as long again."""

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
    What is kept of a set of labels is small: there may be 100,000 for each source partition. Of
    names that come once and never again only the newest are kept: each minute what was asked for
    since becomes the older generation, and of the last one goes what was not asked for.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self._values = attrgetter(*LABELS[kind])
        self.older: dict[tuple[str, ...], int] = {}
        """Series of the sets that have not come again since."""
        self._until_us = 0
        self._begin()

    def _begin(self) -> None:
        self.clear()
        self.series: list[int] = []
        self.sets: list[tuple[str, ...]] = []

    def trim(self, passed_us: int = 0) -> None:
        """Call between batches, with the append time reached: what is kept stays bounded."""
        if passed_us >= self._until_us or len(self) + len(self.older) > MAX_KNOWN:
            self._until_us = passed_us + KEPT_US
            self.older = dict(zip(self.sets, self.series, strict=True))
            self._begin()

    def codes_of(self, records: Sequence[msgspec.Struct]) -> Ints:
        # Through ``dict.__getitem__``, which calls ``__missing__``: no Python code per record.
        return np.fromiter(map(self.__getitem__, map(self._values, records)), np.int64)

    def __missing__(self, values: tuple[str, ...]) -> int:
        series = self.older.pop(values, None)
        if series is None:
            if not all(len(value) <= MAX_LABEL_CHARS and value.isprintable() for value in values):
                return -1  # Not kept: it may be large.
            series = series_id(self.kind, dict(zip(LABELS[self.kind], values, strict=True)))
        values = tuple(map(intern, values))  # every record has its own copy of a pool's name
        code = self[values] = len(self.series)
        self.series.append(series)
        self.sets.append(values)
        return code

    def labels(self, code: int) -> dict[str, str]:
        """Labels always, attributes where known."""
        always = len(SERIES_LABELS[self.kind])
        pairs = zip(LABELS[self.kind], self.sets[code], strict=True)
        return {name: text for i, (name, text) in enumerate(pairs) if text or i < always}
