"""Window blocks in, points of the series store out: parts put together, pools summed up exactly."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from autoscaler.api.series_store import SeriesStore
from streams.clock import SECOND_US
from streams.codec import Block
from streams.series import series_id
from streams.windows.blocks import decode_table
from streams.windows.regroup import merge_tables, regroup
from streams.windows.table import Table
from streams.windows.values import derive

POOL_KIND: Final = "pool"
"""The request windows of all tenants, routes and models of a pool as one series."""
MAX_PARTS: Final = 64


class WindowsFeed:
    """Per edge site, shard and kind, the parts of the block being received (at most 64 of them)."""

    def __init__(self, store: SeriesStore) -> None:
        self._store = store
        self._parts: dict[tuple[str, int, str, bool], list[Table]] = {}

    def take(self, block: Block) -> None:
        header = block.header
        key = (header.source, header.shard, header.series_kind, header.provisional)
        parts = self._parts.setdefault(key, [])
        if header.part == 1 or len(parts) >= MAX_PARTS:
            parts.clear()
        table = decode_table(block)
        if len(table):
            parts.append(table)
        if header.part >= header.parts:
            del self._parts[key]
            self._store_all(parts, header.interval_us)

    def _store_all(self, parts: Sequence[Table], interval_us: int) -> None:
        if not parts:
            return
        table = parts[0] if len(parts) == 1 else merge_tables(parts)
        self._put(table.kind, table, interval_us)
        if table.kind == "request":
            self._put(POOL_KIND, pool_totals(table), interval_us)

    def _put(self, kind: str, table: Table, interval_us: int) -> None:
        values = derive(table, interval_s=interval_us / SECOND_US)
        for row, (window_us, series) in enumerate(
            zip(table.window_us.tolist(), table.series.tolist(), strict=True)
        ):
            numbers = {name: float(column[row]) for name, column in values.items()}
            self._store.put(kind, series, table.labels.get(series, {}), window_us, numbers)


def pool_totals(table: Table) -> Table:
    """The request rows of each pool summed up: one series with the labels cluster and pool."""
    labels: dict[int, Mapping[str, str]] = {}
    pool_of: dict[int, int] = {}
    for series in np.unique(table.series).tolist():
        own = table.labels.get(series, {})
        pool = {name: own.get(name, "") for name in ("cluster", "pool")}
        pool_of[series] = series_id("request", pool)
        labels[pool_of[series]] = pool
    renamed = np.array([pool_of[series] for series in table.series.tolist()], np.int64)
    return regroup(Table(table.kind, table.window_us, renamed, table.ints, table.sparse, labels))
