"""Cutting a table by rows, and the columns that a series kind has."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from streams.windows.features import FEATURES, Feature, Merge
from streams.windows.table import Ints, Sparse, Table

INT64_MIN: Final = int(np.iinfo(np.int64).min)
INT64_MAX: Final = int(np.iinfo(np.int64).max)


def columns_of(feature: Feature) -> tuple[str, ...]:
    """Names of the int64 columns a feature has in a table.

    >>> columns_of(FEATURES["engine"][0])
    ('up.n', 'up.sum', 'up.min', 'up.max')
    """
    if feature.merge in {Merge.COUNT, Merge.SUM}:
        return (feature.name,)
    return tuple(f"{feature.name}.{part}" for part in ("n", "sum", "min", "max"))


COLUMNS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {kind: tuple(c for f in features for c in columns_of(f)) for kind, features in FEATURES.items()}
)
RARE_COLUMNS: Final = frozenset(
    c for features in FEATURES.values() for f in features if f.rare for c in columns_of(f)
)
HISTOGRAMS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        kind: tuple(f.name for f in features if f.merge is Merge.HISTOGRAM)
        for kind, features in FEATURES.items()
    }
)


@cache
def neutral_of(column: str) -> int:
    """What a column holds where nothing was seen."""
    if column.endswith(".min"):
        return INT64_MAX
    return INT64_MIN if column.endswith(".max") else 0


def no_buckets() -> Sparse:
    empty = np.zeros(0, np.int64)
    return Sparse(empty, empty, empty)


def empty_table(kind: str) -> Table:
    none = np.zeros(0, np.int64)
    return Table(
        kind,
        none,
        none,
        dict.fromkeys(COLUMNS[kind], none),
        {name: no_buckets() for name in HISTOGRAMS[kind]},
    )


def filled(table: Table) -> Table:
    """Without the columns that hold nothing."""
    used = {
        name: column for name, column in table.ints.items() if (column != neutral_of(name)).any()
    }
    return replace(table, ints=used)


def take(table: Table, keep: npt.NDArray[np.bool_]) -> Table:
    """The rows where ``keep`` is true, with the labels of their series."""
    if keep.all():
        return table
    new_row = np.cumsum(keep, dtype=np.int64) - 1
    series = table.series[keep]
    return Table(
        table.kind,
        table.window_us[keep],
        series,
        {name: column[keep] for name, column in table.ints.items()},
        {name: _taken(histogram, keep, new_row) for name, histogram in table.sparse.items()},
        {key: table.labels[key] for key in np.unique(series).tolist()},
    )


def _taken(histogram: Sparse, keep: npt.NDArray[np.bool_], new_row: Ints) -> Sparse:
    kept = keep[histogram.row]
    return Sparse(new_row[histogram.row[kept]], histogram.bucket[kept], histogram.count[kept])
