"""Raw records in, tables of their sums per (window, series) out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np

from streams.windows.check import Reject
from streams.windows.columns import Columns, Seen, read_columns
from streams.windows.distinct import distinct
from streams.windows.features import FEATURES, Feature, Merge
from streams.windows.fields import Mask, RecordFields
from streams.windows.histogram import bucket_of, counted, merged
from streams.windows.identity import SeriesIndex
from streams.windows.regroup import merge_tables
from streams.windows.rows import columns_of, empty_table, neutral_of, no_buckets, take
from streams.windows.table import Ints, Sparse, Table


@dataclass(frozen=True, slots=True)
class Summed:
    """What a batch of records came to.

    tables: one as a rule; more where the attributes of a series changed within the batch, as a
        table has one set of labels per series.
    rejects: place of each record that was left out -> why.
    """

    tables: Sequence[Table]
    rejects: Mapping[int, Reject] = field(default_factory=dict)


def to_table(kind: str, records: Sequence[msgspec.Struct], *, interval_us: int) -> Table:
    """All sums of records of one kind; records that ``sum_up`` rejects are left out."""
    summed = sum_up(records, interval_us=interval_us, index=SeriesIndex(kind))
    return merge_tables(summed.tables)


def sum_up(records: Sequence[msgspec.Struct], *, interval_us: int, index: SeriesIndex) -> Summed:
    """The sums of records of ``index.kind``, and what had to be left out (``read_columns``)."""
    index.trim()
    columns = read_columns(RecordFields(records), index)
    fit = np.ones(len(records), np.bool_)
    fit[list(columns.rejects)] = False
    return Summed(add_up(columns, fit, interval_us, index), columns.rejects)


def add_up(columns: Columns, fit: Mask, interval_us: int, index: SeriesIndex) -> list[Table]:
    """The sums of the records that are ``fit``."""
    if not fit.any():
        return [empty_table(index.kind)]
    window = columns.at_us[fit] // interval_us
    row_of_fit, window_of, code_of = _rows(
        window, columns.code[fit], np.array(index.series, np.int64)
    )
    row = np.full(fit.size, -1)
    row[fit] = row_of_fit
    ints: dict[str, Ints] = {}
    sparse: dict[str, Sparse] = {}
    for feature in FEATURES[index.kind]:
        seen = _of_rows(columns.seen[feature.name], row)
        if feature.rare and not seen.at.size:
            continue
        ints |= _sums(feature, seen, window_of.size)
        if feature.merge is Merge.HISTOGRAM:
            sparse[feature.name] = _counted(seen)
    series = np.array([index.series[code] for code in code_of.tolist()], np.int64)
    table = Table(index.kind, window_of * interval_us, series, ints, sparse)
    return _with_labels(table, code_of, index)


def _rows(window: Ints, codes: Ints, series_of: Ints) -> tuple[Ints, Ints, Ints]:
    """Row of each record, and window and code of each row, in the order a table has."""
    first = int(window.min())
    width = int(window.max()) - first + 1
    key = codes * width + (window - first)
    keys, row = distinct(key, (int(codes.max()) + 1) * width)
    window_of, code_of = keys % width + first, keys // width
    order = np.lexsort((code_of, series_of[code_of], window_of))
    place = np.empty(order.size, np.int64)
    place[order] = np.arange(order.size)
    return place[row], window_of[order], code_of[order]


def _of_rows(seen: Seen, row: Ints) -> Seen:
    """The same of the records that have a row, with rows for places."""
    rows = row[seen.at]
    fit = rows >= 0
    if fit.all():
        return Seen(rows, seen.fixed, seen.times)
    times = None if seen.times is None else seen.times[fit]
    return Seen(rows[fit], seen.fixed[fit[: seen.fixed.size]], times)


def _counted(seen: Seen) -> Sparse:
    if not seen.at.size:
        return no_buckets()
    if seen.times is None:
        return counted(seen.at, seen.fixed)
    return merged(seen.at, bucket_of(seen.fixed), seen.times)


def _sums(feature: Feature, values: Seen, rows: int) -> dict[str, Ints]:
    row, fixed, times = values.at, values.fixed, values.times
    if feature.merge is Merge.COUNT:
        return {feature.name: np.bincount(row, minlength=rows).astype(np.int64)}
    columns = {name: np.full(rows, neutral_of(name), np.int64) for name in columns_of(feature)}
    if feature.merge is Merge.SUM:
        np.add.at(columns[feature.name], row, fixed)
    elif row.size:
        seen, total, low, high = columns.values()
        seen += np.bincount(row, times, minlength=rows).astype(np.int64)
        np.add.at(total, row, fixed if times is None else fixed * times)
        np.minimum.at(low, row, fixed)
        np.maximum.at(high, row, fixed)
    return columns


def _with_labels(table: Table, code_of: Ints, index: SeriesIndex) -> list[Table]:
    """One table for the first labels of every series, one for the second, ..."""
    turn_of: dict[int, int] = {}
    turns_of_series: dict[int, int] = {}
    for code in np.unique(code_of).tolist():
        series = index.series[code]
        turn_of[code] = turns_of_series.get(series, 0)
        turns_of_series[series] = turn_of[code] + 1
    turns = np.array([turn_of[code] for code in code_of.tolist()])
    tables = []
    for turn in range(max(turns_of_series.values())):
        codes = [code for code, its_turn in turn_of.items() if its_turn == turn]
        labels = {index.series[code]: index.labels(code) for code in codes}
        tables.append(take(replace(table, labels=labels), turns == turn))
    return tables
