"""A table <-> blocks of bounded size, as they travel on ``partials`` and ``windows``."""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from streams.codec import Block, BlockHeader, encode_block
from streams.errors import CorruptMessageError
from streams.series import series_hex
from streams.windows.histogram import BUCKETS
from streams.windows.rows import (
    COLUMNS,
    HISTOGRAMS,
    INT64_MAX,
    INT64_MIN,
    RARE_COLUMNS,
    filled,
    neutral_of,
    no_buckets,
    take,
)
from streams.windows.table import Ints, Sparse, Table

_KEYS: Final = ("window_us", "series")
_TRIPLE: Final = ("row", "bucket", "count")
_HEADER_BYTES: Final = 6_000
"""Envelope, header and names of columns take less than this."""
_KEY_BYTES: Final = 20
"""What a series costs in the dictionary beside its labels: id, quotes, colon, comma."""

Columns = Mapping[str, npt.NDArray[np.generic]]


def encode_table(table: Table, header: BlockHeader, *, max_bytes: int) -> list[bytes]:
    """Parts 1 of n to n of n, each at most ``max_bytes`` unless a single row is larger.

    A table without rows is one block: a heartbeat. ``header`` says everything but part,
    parts, series_kind, columns and dictionary, which are filled in here. Columns that hold nothing
    are left out.
    """
    return encode_tables([table], header, max_bytes=max_bytes)


def encode_tables(tables: list[Table], header: BlockHeader, *, max_bytes: int) -> list[bytes]:
    """The same for several tables of one kind, as parts of one block."""
    parts = [part for table in tables for part in _cut(table, max_bytes)]
    return [
        encode_block(
            header.but(
                series_kind=part.kind,
                part=number,
                parts=len(parts),
                dictionary=_dictionary(part),
            ),
            _columns(part),
        )
        for number, part in enumerate(parts, 1)
    ]


def decode_table(block: Block) -> Table:
    """Raises CorruptMessageError unless the block holds a sound table of a known kind."""
    kind, columns = block.header.series_kind, block.columns
    if kind not in COLUMNS:
        raise CorruptMessageError(f"series_kind must be one of {sorted(COLUMNS)}, got {kind!r}")
    window_us, series = (_int64(columns, name) for name in _KEYS)
    rows = window_us.size
    if series.size != rows:
        raise CorruptMessageError(f"{rows} values of window_us, but {series.size} of series")
    labels = _labels(block.header, series)
    _check_order(window_us, series, block.header.interval_us)
    nothing = {neutral: _constant(neutral, rows) for neutral in (0, INT64_MIN, INT64_MAX)}
    return Table(
        kind,
        window_us,
        series,
        {
            name: _column(columns, name, rows) if name in columns else nothing[neutral_of(name)]
            for name in COLUMNS[kind]
            if name in columns or name not in RARE_COLUMNS
        },
        {name: _histogram(columns, name, rows) for name in HISTOGRAMS[kind]},
        labels,
    )


def _cut(table: Table, max_bytes: int) -> Iterator[Table]:
    """By rows; sizes are taken before compression, so a part can only be smaller."""
    if len(table) == 0:
        yield table
        return
    size = np.full(len(table), 8 * (len(table.ints) + len(_KEYS)), np.int64)
    for histogram in table.sparse.values():
        np.add.at(size, histogram.row, 24)
    label_bytes = {key: _label_bytes(table.labels[key]) for key in np.unique(table.series).tolist()}
    size += np.array([label_bytes[key] for key in table.series.tolist()])
    room = max_bytes - _HEADER_BYTES
    reached = np.cumsum(size)
    if reached[-1] <= room:
        yield table
        return
    start = 0
    while start < len(table):
        before = int(reached[start - 1]) if start else 0
        end = max(start + 1, int(np.searchsorted(reached, before + room, side="right")))
        keep = np.zeros(len(table), np.bool_)
        keep[start:end] = True
        yield take(table, keep)
        start = end


def _label_bytes(labels: Mapping[str, str]) -> int:
    return len(msgspec.json.encode(labels)) + _KEY_BYTES


def _dictionary(table: Table) -> dict[str, dict[str, str]]:
    return {series_hex(key): dict(table.labels[key]) for key in np.unique(table.series).tolist()}


def _columns(table: Table) -> dict[str, npt.NDArray[np.generic]]:
    if len(table) == 0:
        return {}
    columns: dict[str, npt.NDArray[np.generic]] = {
        "window_us": table.window_us,
        "series": table.series,
    }
    columns |= filled(table).ints
    for name, histogram in table.sparse.items():
        if histogram.row.size:
            columns[f"{name}#row"] = histogram.row.astype(np.int32)
            columns[f"{name}#bucket"] = histogram.bucket.astype(np.int16)
            columns[f"{name}#count"] = histogram.count
    return columns


def _int64(columns: Columns, name: str) -> Ints:
    column = columns.get(name)
    if column is None:
        return np.zeros(0, np.int64)
    if column.dtype.kind != "i":
        raise CorruptMessageError(f"column {name!r} must hold integers, got {column.dtype.str}")
    return column.astype(np.int64)


def _constant(value: int, rows: int) -> Ints:
    """Many columns share it, so nobody may write to it."""
    constant = np.full(rows, value, np.int64)
    constant.flags.writeable = False
    return constant


def _column(columns: Columns, name: str, rows: int) -> Ints:
    column = _int64(columns, name)
    if column.size != rows:
        raise CorruptMessageError(f"column {name!r} has {column.size} values for {rows} rows")
    return column


def _histogram(columns: Columns, name: str, rows: int) -> Sparse:
    row, bucket, count = (_int64(columns, f"{name}#{part}") for part in _TRIPLE)
    if not row.size == bucket.size == count.size:
        raise CorruptMessageError(f"histogram {name!r} has columns of unequal length")
    if row.size == 0:
        return no_buckets()
    key = row * BUCKETS + bucket
    sound = (
        row[0] >= 0
        and row[-1] < rows
        and bool(np.all((bucket >= 0) & (bucket < BUCKETS) & (count > 0)))
        and bool(np.all(np.diff(key) > 0))
    )
    if not sound:
        raise CorruptMessageError(f"histogram {name!r} is not sorted, or beyond rows or buckets")
    return Sparse(row, bucket, count)


def _labels(header: BlockHeader, series: Ints) -> dict[int, dict[str, str]]:
    labels: dict[int, dict[str, str]] = {}
    for key, names in header.dictionary.items():
        try:
            labels[int.from_bytes(bytes.fromhex(key), "big", signed=True)] = names
        except ValueError as exc:
            raise CorruptMessageError(f"{key!r} in the dictionary is no series id") from exc
    missing = [key for key in np.unique(series).tolist() if key not in labels]
    if missing:
        raise CorruptMessageError(f"series {series_hex(missing[0])} is not in the dictionary")
    return labels


def _check_order(window_us: Ints, series: Ints, interval_us: int) -> None:
    if interval_us <= 0 or np.any(window_us % interval_us):
        raise CorruptMessageError(f"windows must start at multiples of {interval_us} µs")
    step = np.diff(window_us)
    if np.any(step < 0) or np.any((step == 0) & (series[1:] <= series[:-1])):
        raise CorruptMessageError("rows must be sorted by window and series, each pair once")
