"""Records in, their sums as blocks for every shard out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from streams.codec import BlockHeader
from streams.series import routing_key, shard_of
from streams.windows.blocks import encode_tables
from streams.windows.check import Reject
from streams.windows.columns import Columns, joined, read_columns
from streams.windows.delta import add_up
from streams.windows.fields import Fields, Mask
from streams.windows.identity import MAX_KNOWN, SeriesIndex
from streams.windows.rows import empty_table, filled, take
from streams.windows.table import Ints, Table


@dataclass(frozen=True, slots=True)
class Made:
    """blocks: for each shard, all parts of its one block. rejects: place of a record -> why."""

    blocks: Sequence[Sequence[bytes]]
    rejects: Mapping[int, Reject] = field(default_factory=dict)


class Gathering(Protocol):
    """Takes the records of a batch, portion by portion; a place counts through them all."""

    def add(self, records: Fields) -> None: ...

    def at_us(self) -> Ints:
        """Instant of every record so far."""
        ...

    def make(self, fit: Mask, header: BlockHeader) -> Made:
        """One block for each shard, also where there is nothing for it: all see the progress.

        fit: which of the records are to count; of the others no reject is told.
        """
        ...


class Partials(Protocol):
    """What the records of a source become."""

    def window_ends(self, at_us: Ints) -> Ints:
        """End of the window each instant belongs to."""
        ...

    def gather(self, passed_us: int) -> Gathering:
        """Begin a batch; the log has been read up to this append time."""
        ...


class Deltas:
    """Sums per window and series, each in the block of the shard that its routing key names."""

    def __init__(self, kind: str, *, interval_us: int, shards: int, block_bytes: int) -> None:
        self._interval_us = interval_us
        self._shards = shards
        self._block_bytes = block_bytes
        self.index = SeriesIndex(kind)
        self._shard_of: dict[str, int] = {}

    def window_ends(self, at_us: Ints) -> Ints:
        return (at_us // self._interval_us + 1) * self._interval_us

    def gather(self, passed_us: int) -> "Summing":
        self.index.trim(passed_us)
        return Summing(self, self.index)

    def blocks(self, columns: Columns, fit: Mask, header: BlockHeader) -> list[list[bytes]]:
        tables: list[list[Table]] = [[] for _ in range(self._shards)]
        for table in add_up(columns, fit, self._interval_us, self.index):
            # Before it is cut up: most columns of most batches hold nothing.
            self._split(filled(table), tables)
        nothing = empty_table(self.index.kind)
        header = header.but(kind="delta", interval_us=self._interval_us)
        return [
            encode_tables(mine or [nothing], header.but(shard=shard), max_bytes=self._block_bytes)
            for shard, mine in enumerate(tables)
        ]

    def _split(self, table: Table, tables: list[list[Table]]) -> None:
        if not len(table):
            return
        series, place = np.unique(table.series, return_inverse=True)
        shard = np.array([self._shard(table.labels[key]) for key in series.tolist()])[place]
        for number in np.unique(shard).tolist():
            tables[number].append(take(table, shard == number))

    def _shard(self, labels: Mapping[str, str]) -> int:
        key = routing_key(self.index.kind, labels)
        if key not in self._shard_of:
            if len(self._shard_of) >= MAX_KNOWN:
                self._shard_of.clear()
            self._shard_of[key] = shard_of(key, self._shards)
        return self._shard_of[key]


class Summing:
    """A batch of ``Deltas``: of each portion, only the columns are kept."""

    def __init__(self, deltas: Deltas, index: SeriesIndex) -> None:
        self._deltas = deltas
        self._index = index
        self._columns: list[Columns] = []

    def add(self, records: Fields) -> None:
        self._columns.append(read_columns(records, self._index))

    def at_us(self) -> Ints:
        return self.columns().at_us

    def make(self, fit: Mask, header: BlockHeader) -> Made:
        columns = self.columns()
        rejects = {place: why for place, why in columns.rejects.items() if fit[place]}
        fit = fit.copy()
        fit[list(rejects)] = False
        return Made(self._deltas.blocks(columns, fit, header), rejects)

    def columns(self) -> Columns:
        """All that was read."""
        self._columns = [joined(self._columns, self._index.kind)]
        return self._columns[0]
