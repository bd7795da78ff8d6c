"""Messages as the view gets them."""

from dataclasses import dataclass

import msgspec

from streams.codec import BlockHeader, encode_block, encode_record
from streams.schemas.anomalies import Anomaly
from streams.windows.blocks import encode_table
from streams.windows.table import Table


@dataclass(frozen=True, slots=True)
class Received:
    topic: str
    key: bytes | None
    value: bytes | None
    partition: int = 0


def message(topic: str, key: str, record: msgspec.Struct | None) -> Received:
    return Received(topic, key.encode(), None if record is None else encode_record(record))


def windows(table: Table, *, shard: int = 0, watermark_us: int = 0) -> list[Received]:
    header = BlockHeader(
        kind="window", series_kind=table.kind, shard=shard, watermark_us=watermark_us
    )
    blocks = encode_table(table, header, max_bytes=900_000)
    return [Received("windows", str(shard).encode(), block, shard) for block in blocks]


def heartbeat(shard: int, watermark_us: int) -> Received:
    header = BlockHeader(kind="window", shard=shard, watermark_us=watermark_us)
    return Received("windows", str(shard).encode(), encode_block(header), shard)


def anomalies(*found: Anomaly) -> Received:
    header = BlockHeader(kind="anomaly", shard=0)
    return Received("anomalies", b"0", encode_block(header, payload=msgspec.json.encode(found)))
