"""Small records, messages and tables that the tests of `streams` are made of."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from streams.batch import Message, RecordBatch
from streams.clock import SECOND_US
from streams.codec import BlockHeader
from streams.schemas.telemetry import EngineSample, GpuSample, RequestEvent
from streams.windows.delta import to_table
from streams.windows.table import Table

T0 = 1_700_000_000 * SECOND_US
"""A whole second, and the start of a ten-second window."""


def request(kind: str = "arrived", at_us: int = T0, **but: Any) -> RequestEvent:
    usual: dict[str, Any] = {"kind": kind, "at_us": at_us, "pool": "codex"}
    return RequestEvent(**(usual | but))


def engine(replica: str = "codex-1", at_us: int = T0, **but: Any) -> EngineSample:
    usual: dict[str, Any] = {"at_us": at_us, "pool": "codex", "replica": replica}
    return EngineSample(**(usual | but))


def gpu(uuid: str = "GPU-1", at_us: int = T0, **but: Any) -> GpuSample:
    usual: dict[str, Any] = {"at_us": at_us, "node": "node-1", "gpu_uuid": uuid}
    return GpuSample(**(usual | but))


def engines(*replicas: str, at_us: int = T0, **but: Any) -> Table:
    """One window of a second with a sample of each replica."""
    records = [engine(replica, at_us, **({"up": 1.0} | but)) for replica in replicas]
    return to_table("engine", records, interval_us=SECOND_US)


def message(
    value: bytes | msgspec.Struct | None,
    offset: int = 0,
    append_us: int = T0,
    topic: str = "requests",
) -> Message:
    data = msgspec.json.encode(value) if isinstance(value, msgspec.Struct) else value
    return Message(topic, 0, offset, append_us, None, data)


def batch(*messages: Message, start: int | None = None) -> RecordBatch:
    first, last = messages[0], messages[-1]
    begin = first.offset if start is None else start
    return RecordBatch(first.topic, first.partition, begin, last.offset + 1, messages)


def delta(
    source: tuple[str, int], offsets: tuple[int, int], watermark_us: int, **but: Any
) -> BlockHeader:
    topic, partition = source
    usual: dict[str, Any] = {
        "kind": "delta",
        "shard": 0,
        "source": topic,
        "partition": partition,
        "from_offset": offsets[0],
        "next_offset": offsets[1],
        "watermark_us": watermark_us,
    }
    return BlockHeader(**(usual | but))


def rows(tables: Sequence[Table]) -> dict[tuple[str, int, str], dict[str, Any]]:
    """Everything in the tables by (kind, window, labels), to compare whatever the order."""
    found: dict[tuple[str, int, str], dict[str, Any]] = {}
    for table in tables:
        for row in range(len(table)):
            labels = str(sorted(table.labels[int(table.series[row])].items()))
            key = (table.kind, int(table.window_us[row]), labels)
            assert key not in found, f"{key} comes twice"
            found[key] = {name: int(column[row]) for name, column in table.ints.items()}
            for name, histogram in table.sparse.items():
                mine = histogram.row == row
                buckets = histogram.bucket[mine].tolist()
                found[key][name] = dict(zip(buckets, histogram.count[mine].tolist(), strict=True))
    return found


def assert_same(left: Sequence[Table], right: Sequence[Table]) -> None:
    assert rows(left) == rows(right)


def is_sorted(table: Table) -> bool:
    order = np.lexsort((table.series, table.window_us))
    return bool(np.array_equal(order, np.arange(len(table))))
