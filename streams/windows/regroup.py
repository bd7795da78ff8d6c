"""Rows of many tables in, each (window, series) once out: exact whatever the order of adding."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from streams.errors import InvalidParameterError
from streams.windows.histogram import merged
from streams.windows.rows import COLUMNS, neutral_of, no_buckets
from streams.windows.table import Ints, Sparse, Table

Labels = Mapping[str, str]


def merge_tables(tables: Sequence[Table]) -> Table:
    """One table with the sums, minima, maxima and histograms of all, grouped by (window, series).

    Columns that a table lacks count as nothing seen. Of two sets of labels for a series the
    greater one stays, so that the order of the tables cannot matter here either.
    """
    kinds = {table.kind for table in tables}
    if len(kinds) != 1:
        raise InvalidParameterError("tables", sorted(kinds), "of one kind, and at least one")
    filled = [table for table in tables if len(table)] or tables[:1]
    return filled[0] if len(filled) == 1 else regroup(_concatenated(filled))


def regroup(table: Table) -> Table:
    """The same sums with each (window, series) once, sorted; the rows may come in any order."""
    order = np.lexsort((table.series, table.window_us))
    window, series = table.window_us[order], table.series[order]
    starts = np.ones(order.size, np.bool_)
    starts[1:] = (window[1:] != window[:-1]) | (series[1:] != series[:-1])
    first = np.flatnonzero(starts)
    new_row = np.empty(order.size, np.int64)
    new_row[order] = np.cumsum(starts) - 1
    return Table(
        table.kind,
        window[first],
        series[first],
        {name: _reduced(name, column[order], first) for name, column in table.ints.items()},
        {
            name: merged(new_row[histogram.row], histogram.bucket, histogram.count)
            for name, histogram in table.sparse.items()
        },
        table.labels,
    )


def _reduced(name: str, column: Ints, first: Ints) -> Ints:
    if name.endswith(".min"):
        return np.minimum.reduceat(column, first)
    return (np.maximum if name.endswith(".max") else np.add).reduceat(column, first)


def _concatenated(tables: Sequence[Table]) -> Table:
    kind = tables[0].kind
    # In the catalogue's order: which table first had a rare column must not show.
    names = [name for name in COLUMNS[kind] if any(name in table.ints for table in tables)]
    histograms = dict.fromkeys(name for table in tables for name in table.sparse)
    return Table(
        kind,
        np.concatenate([table.window_us for table in tables]),
        np.concatenate([table.series for table in tables]),
        {name: np.concatenate([_column(table, name) for table in tables]) for name in names},
        {name: _stacked(tables, name) for name in histograms},
        greater_labels(table.labels for table in tables),
    )


def _column(table: Table, name: str) -> Ints:
    found = table.ints.get(name)
    return np.full(len(table), neutral_of(name), np.int64) if found is None else found


def _stacked(tables: Sequence[Table], name: str) -> Sparse:
    parts = [table.sparse.get(name, no_buckets()) for table in tables]
    starts = np.cumsum([0, *(len(table) for table in tables[:-1])])
    return Sparse(
        np.concatenate([part.row + start for part, start in zip(parts, starts, strict=True)]),
        np.concatenate([part.bucket for part in parts]),
        np.concatenate([part.count for part in parts]),
    )


def greater_labels(sets: Iterable[Mapping[int, Labels]]) -> dict[int, Labels]:
    """All labels by series; of two for the same series the greater in sorted order."""
    chosen: dict[int, Labels] = {}
    for labels_of in sets:
        for series, labels in labels_of.items():
            present = chosen.setdefault(series, labels)
            if present is not labels and sorted(present.items()) < sorted(labels.items()):
                chosen[series] = labels
    return chosen
