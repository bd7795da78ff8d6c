"""A table in, the numbers people and detectors look at out."""

from collections.abc import Collection
from dataclasses import replace
from functools import lru_cache

import numpy as np

from streams.windows.features import FEATURES, HISTOGRAM_QUANTILES, RATIOS, Feature, Merge
from streams.windows.histogram import quantile
from streams.windows.rows import no_buckets
from streams.windows.table import Floats, Ints, Table


def derive(
    table: Table, *, interval_s: float, only: Collection[str] | None = None
) -> dict[str, Floats]:
    """One float64[n] for each value of ``VALUES[table.kind]``; NaN where nothing was seen.

    Rates are per second of ``interval_s``, the length of the table's windows. A row that exists
    saw something of its series: counts it has none of are 0, not NaN. ``only`` names the values
    that are wanted: features that have none of them are left out.
    """
    values: dict[str, Floats] = {}
    wanted = FEATURES[table.kind] if only is None else _features(table.kind, tuple(only))
    for feature in wanted:
        match feature.merge:
            case Merge.COUNT | Merge.SUM:
                sums = _column(table, feature.name) / feature.scale
                values[f"{feature.name}_per_s"] = sums / interval_s
            case Merge.GAUGE:
                values |= _moments(table, feature)
            case Merge.HISTOGRAM:
                values |= _quantiles(table, feature, only)
    for value, parts in RATIOS[table.kind].items():
        if only is None or value.name in only:
            whole = sum((_column(table, name) for name in parts), np.zeros(len(table), np.int64))
            values[value.name] = _ratio(_column(table, value.feature), whole)
    return values


def with_only(table: Table, names: Collection[str]) -> Table:
    """The columns from which these values are worked out: to sum up the others costs as much."""
    columns = _columns(table.kind, tuple(names))
    ints = {name: column for name, column in table.ints.items() if name in columns}
    sparse = {name: column for name, column in table.sparse.items() if name in columns}
    return replace(table, ints=ints, sparse=sparse)


@lru_cache(maxsize=256)
def _columns(kind: str, names: tuple[str, ...]) -> frozenset[str]:
    features = [feature.name for feature in _features(kind, names)]
    ratios = (
        column
        for value, parts in RATIOS[kind].items()
        if value.name in names
        for column in (value.feature, *parts)
    )
    moments = (f"{name}.{part}" for name in features for part in ("n", "sum", "min", "max"))
    return frozenset((*features, *moments, *ratios))


@lru_cache(maxsize=256)
def _features(kind: str, names: tuple[str, ...]) -> tuple[Feature, ...]:
    """Those that have any of these values; asked for the same ones window after window."""
    return tuple(
        feature
        for feature in FEATURES[kind]
        if any(name.startswith(f"{feature.name}_") for name in names)
    )


def _column(table: Table, name: str) -> Ints:
    return table.ints[name] if name in table.ints else np.zeros(len(table), np.int64)


def _ratio(part: Ints, whole: Ints) -> Floats:
    ratio = np.full(whole.size, np.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio


def _moments(table: Table, feature: Feature) -> dict[str, Floats]:
    name, seen = feature.name, _column(table, f"{feature.name}.n")

    def extreme(which: str) -> Floats:
        column = _column(table, f"{name}.{which}")
        return np.where(seen > 0, column / feature.scale, np.nan)

    mean = _ratio(_column(table, f"{name}.sum"), seen) / feature.scale
    return {f"{name}_mean": mean, f"{name}_min": extreme("min"), f"{name}_max": extreme("max")}


def _quantiles(table: Table, feature: Feature, only: Collection[str] | None) -> dict[str, Floats]:
    moments = _moments(table, feature)
    low, high = moments[f"{feature.name}_min"], moments[f"{feature.name}_max"]
    histogram = table.sparse.get(feature.name, no_buckets())
    values = {f"{feature.name}_mean": moments[f"{feature.name}_mean"]}
    for suffix, q in HISTOGRAM_QUANTILES.items():
        if only is not None and f"{feature.name}_{suffix}" not in only:
            continue
        # The middle of a bucket may lie beyond everything seen, by up to 1 %.
        found = quantile(histogram, len(table), q) / feature.scale
        values[f"{feature.name}_{suffix}"] = np.clip(found, low, high)
    return values
