"""Records in, fixed-point columns out: no Python code per record beyond reading fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

import msgspec
import numpy as np
import numpy.typing as npt

from streams.windows.check import INSTANT_LIMIT
from streams.windows.features import Feature, Merge
from streams.windows.histogram import VALUE_LIMIT, counted
from streams.windows.rows import columns_of, neutral_of, no_buckets
from streams.windows.table import Floats, Ints, Sparse

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Group:
    """Some records of a batch: their places in it, and the row of the table each belongs to."""

    records: Sequence[msgspec.Struct]
    at: Ints
    row: Ints

    def part(self, which: Mask) -> "Group":
        places = np.flatnonzero(which)
        if places.size == len(self.records):
            return self
        records = list(map(self.records.__getitem__, places.tolist()))
        return Group(records, self.at[places], self.row[places])


def instants(records: Sequence[msgspec.Struct], bad: Mask) -> Ints:
    """``at_us`` of each; marks in ``bad`` where it is nonsense."""
    at_us = whole_numbers(records, "at_us")
    nonsense = np.abs(at_us) >= INSTANT_LIMIT
    bad |= nonsense
    return np.where(nonsense, 0, at_us)


def whole_numbers(records: Sequence[msgspec.Struct], name: str) -> Ints:
    """One field of each; what does not fit into 64 bits becomes the limit of instants."""
    read = attrgetter(name)
    try:
        return np.fromiter(map(read, records), np.int64, len(records))
    except OverflowError:
        limit = INSTANT_LIMIT
        return np.array([max(-limit, min(limit, read(record))) for record in records], np.int64)


def summed_columns(
    features: Sequence[Feature], groups: Mapping[str, Group], rows: int, bad: Mask
) -> tuple[dict[str, Ints], dict[str, Sparse]]:
    """All columns of a table of ``rows`` rows; marks in ``bad`` the records with unfit values.

    groups: feature name -> the records that it is made from.
    """
    ints: dict[str, Ints] = {}
    sparse: dict[str, Sparse] = {}
    for feature in features:
        group = groups[feature.name]
        match feature.merge:
            case Merge.COUNT:
                ints[feature.name] = np.bincount(group.row, minlength=rows).astype(np.int64)
            case Merge.SUM:
                numbers = whole_numbers(group.records, feature.source)
                unfit = (numbers < 0) | (numbers >= VALUE_LIMIT)
                bad[group.at[unfit]] = True
                ints[feature.name] = np.zeros(rows, np.int64)
                np.add.at(ints[feature.name], group.row, numbers)
            case Merge.GAUGE:
                row, fixed = _fixed(feature, group, bad, least=-VALUE_LIMIT)
                ints |= _moments(feature, row, fixed, rows)
            case Merge.HISTOGRAM:
                row, fixed = _fixed(feature, group, bad, least=-0.5)
                ints |= _moments(feature, row, fixed, rows)
                sparse[feature.name] = counted(row, fixed) if row.size else no_buckets()
    return ints, sparse


def _fixed(feature: Feature, group: Group, bad: Mask, *, least: float) -> tuple[Ints, Ints]:
    """Rows and fixed-point values of the records that have the field."""
    scaled = _numbers(group.records, feature.source) * feature.scale
    present = ~np.isnan(scaled)
    unfit = present & ~((scaled > least) & (scaled < VALUE_LIMIT))
    bad[group.at[unfit]] = True
    present &= ~unfit
    return group.row[present], np.rint(scaled[present]).astype(np.int64)


def _numbers(records: Sequence[msgspec.Struct], name: str) -> Floats:
    """One field of each; None is NaN."""
    return np.array(list(map(attrgetter(name), records)), np.float64)


def _moments(feature: Feature, row: Ints, fixed: Ints, rows: int) -> dict[str, Ints]:
    seen, total, low, high = columns_of(feature)
    columns = {name: np.full(rows, neutral_of(name), np.int64) for name in (total, low, high)}
    if row.size:
        np.add.at(columns[total], row, fixed)
        np.minimum.at(columns[low], row, fixed)
        np.maximum.at(columns[high], row, fixed)
    return {seen: np.bincount(row, minlength=rows).astype(np.int64), **columns}
