"""Records -> codes of their series, worked out once for each set of labels."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
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
    "engine": (),
    "gpu": ("zone", "node_group", "model", "pool", "replica", "owner", "parent_uuid"),
}
"""Fields that go along with the labels of a series, but may change."""

LABELS: Final[Mapping[str, tuple[str, ...]]] = {
    kind: identity + ATTRIBUTES[kind] for kind, identity in SERIES_LABELS.items()
}


class SeriesIndex(dict[tuple[str, ...], int]):
    """Values of ``LABELS[kind]`` -> code; a code is a place in ``series`` and ``labels``.

    The code is -1 where a label is too long or cannot be printed. Codes hold until ``trim``.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.series: list[int] = []
        self.labels: list[dict[str, str]] = []
        self._values = attrgetter(*LABELS[kind])

    def trim(self) -> None:
        """Call between batches: what is kept stays bounded."""
        if len(self) > MAX_KNOWN:
            self.clear()
            self.series, self.labels = [], []

    def codes_of(self, records: Sequence[msgspec.Struct]) -> Ints:
        # Through ``dict.__getitem__``, which calls ``__missing__``: no Python code per record.
        return np.fromiter(map(self.__getitem__, map(self._values, records)), np.int64)

    def __missing__(self, values: tuple[str, ...]) -> int:
        if not all(len(value) <= MAX_LABEL_CHARS and value.isprintable() for value in values):
            return -1  # Not kept: it may be large.
        labels = dict(zip(LABELS[self.kind], values, strict=True))
        code = self[values] = len(self.series)
        self.series.append(series_id(self.kind, labels))
        self.labels.append(
            {name: value for name, value in labels.items() if _kept(self.kind, name, value)}
        )
        return code


def _kept(kind: str, name: str, value: str) -> bool:
    """Labels always, attributes where known."""
    return bool(value) or name in SERIES_LABELS[kind]
