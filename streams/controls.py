"""Changes and notices of sources in, control blocks for every shard out."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from streams.codec import BlockHeader, encode_block
from streams.partials import Made
from streams.stage import Out
from streams.windows.check import Reject
from streams.windows.fields import Fields, Mask
from streams.windows.progress import Source
from streams.windows.rows import INT64_MAX
from streams.windows.table import Ints

MAX_CONTROL_BYTES: Final = 65_536
"""A change is a sentence and some attributes; a larger one is set aside."""
_CONTROL_HEADER_BYTES: Final = 1_024


def announced(sources: Sequence[Source], *, shards: int) -> list[Out]:
    """What lets every shard wait for these sources, from here on in its log."""
    headers = [
        BlockHeader(kind="expect", shard=shard, source=topic, partition=partition)
        for shard in range(shards)
        for topic, partition in sources
    ]
    return [
        Out(topic="partials", key=str(h.shard), value=encode_block(h), partition=h.shard)
        for h in headers
    ]


class Controls:
    """``Partials`` that are never late."""

    def __init__(self, *, shards: int, block_bytes: int) -> None:
        self._shards = shards
        self._room = block_bytes - _CONTROL_HEADER_BYTES

    def window_ends(self, at_us: Ints) -> Ints:
        return np.full(at_us.size, INT64_MAX)

    def gather(self, passed_us: int) -> "Listing":  # noqa: ARG002 -- keeps nothing
        return Listing(self)

    def made(self, encoded: Mapping[int, bytes], header: BlockHeader) -> Made:
        """``encoded``: place of a record -> its JSON."""
        limit = min(MAX_CONTROL_BYTES, self._room - 2)
        rejects = {
            at: Reject("too_large", f"{len(data)} bytes, allowed are {limit}")
            for at, data in encoded.items()
            if len(data) > limit
        }
        kept = [data for at, data in encoded.items() if at not in rejects]
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


class Listing:
    """A batch of ``Controls``."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._at_us: list[Ints] = [np.zeros(0, np.int64)]
        self._encoded: list[bytes] = []

    def add(self, records: Fields) -> None:
        self._at_us.append(records.whole("at_us"))
        self._encoded += map(records.json, range(len(records)))

    def at_us(self) -> Ints:
        return np.concatenate(self._at_us)

    def make(self, fit: Mask, header: BlockHeader) -> Made:
        return self._controls.made(
            {place: self._encoded[place] for place in np.flatnonzero(fit).tolist()}, header
        )
