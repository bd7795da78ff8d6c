"""Records in, blocks for every shard out: deltas of telemetry, controls of changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec
import numpy as np

from streams.codec import BlockHeader, encode_block, encode_record
from streams.series import routing_key, shard_of
from streams.windows.blocks import encode_tables
from streams.windows.check import Reject
from streams.windows.delta import sum_up
from streams.windows.identity import MAX_KNOWN, SeriesIndex
from streams.windows.rows import INT64_MAX, empty_table, take
from streams.windows.table import Ints, Table

MAX_CONTROL_BYTES: Final = 65_536
"""A change is a sentence and some attributes; a larger one is set aside."""
_CONTROL_HEADER_BYTES: Final = 1_024


@dataclass(frozen=True, slots=True)
class Made:
    """blocks: for each shard, all parts of its one block. rejects: place of a record -> why."""

    blocks: Sequence[Sequence[bytes]]
    rejects: Mapping[int, Reject] = field(default_factory=dict)


class Partials(Protocol):
    """What the records of a source become."""

    def window_ends(self, at_us: Ints) -> Ints:
        """End of the window each instant belongs to."""
        ...

    def make(self, records: Sequence[msgspec.Struct], header: BlockHeader) -> Made:
        """One block for each shard, also where there is nothing for it: all see the progress."""
        ...


class Deltas:
    """Sums per window and series, each in the block of the shard that its routing key names."""

    def __init__(self, kind: str, *, interval_us: int, shards: int, block_bytes: int) -> None:
        self._interval_us = interval_us
        self._shards = shards
        self._block_bytes = block_bytes
        self._index = SeriesIndex(kind)
        self._shard_of: dict[str, int] = {}

    def window_ends(self, at_us: Ints) -> Ints:
        return (at_us // self._interval_us + 1) * self._interval_us

    def make(self, records: Sequence[msgspec.Struct], header: BlockHeader) -> Made:
        summed = sum_up(records, interval_us=self._interval_us, index=self._index)
        tables: list[list[Table]] = [[] for _ in range(self._shards)]
        for table in summed.tables:
            self._split(table, tables)
        nothing = empty_table(self._index.kind)
        header = header.but(kind="delta", interval_us=self._interval_us)
        blocks = [
            encode_tables(mine or [nothing], header.but(shard=shard), max_bytes=self._block_bytes)
            for shard, mine in enumerate(tables)
        ]
        return Made(blocks, summed.rejects)

    def _split(self, table: Table, tables: list[list[Table]]) -> None:
        if not len(table):
            return
        series, place = np.unique(table.series, return_inverse=True)
        shard = np.array([self._shard(table.labels[key]) for key in series.tolist()])[place]
        for number in np.unique(shard).tolist():
            tables[number].append(take(table, shard == number))

    def _shard(self, labels: Mapping[str, str]) -> int:
        key = routing_key(self._index.kind, labels)
        if key not in self._shard_of:
            if len(self._shard_of) >= MAX_KNOWN:
                self._shard_of.clear()
            self._shard_of[key] = shard_of(key, self._shards)
        return self._shard_of[key]


class Controls:
    """Every record, as JSON, to every shard; never late."""

    def __init__(self, *, shards: int, block_bytes: int) -> None:
        self._shards = shards
        self._room = block_bytes - _CONTROL_HEADER_BYTES

    def window_ends(self, at_us: Ints) -> Ints:
        return np.full(at_us.size, INT64_MAX)

    def make(self, records: Sequence[msgspec.Struct], header: BlockHeader) -> Made:
        encoded = [encode_record(record) for record in records]
        limit = min(MAX_CONTROL_BYTES, self._room - 2)
        rejects = {
            at: Reject("too_large", f"{len(data)} bytes, allowed are {limit}")
            for at, data in enumerate(encoded)
            if len(data) > limit
        }
        kept = [data for at, data in enumerate(encoded) if at not in rejects]
        payloads = self._payloads(kept)
        return Made([self._blocks(payloads, header, n) for n in range(self._shards)], rejects)

    def _payloads(self, encoded: Sequence[bytes]) -> list[bytes]:
        """JSON arrays that each fit into a block."""
        chunks: list[list[bytes]] = [[]]
        size = 2
        for data in encoded:
            size += len(data) + 1
            if size > self._room:
                chunks.append([])
                size = len(data) + 3
            chunks[-1].append(data)
        return [b"[" + b",".join(chunk) + b"]" for chunk in chunks]

    @staticmethod
    def _blocks(payloads: Sequence[bytes], header: BlockHeader, shard: int) -> list[bytes]:
        header = header.but(kind="control", shard=shard, parts=len(payloads))
        return [
            encode_block(header.but(part=part), payload=payload)
            for part, payload in enumerate(payloads, 1)
        ]
