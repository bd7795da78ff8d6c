"""An anomaly in, what its value was a day before out, read from the log of windows.

The API keeps minutes, the topic at least a day: so the broker is asked, within bounds of records
and time, once a question.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from streams.batch import Message
from streams.clock import SECOND_US
from streams.codec import Block, decode_block
from streams.errors import BrokerUnavailableError, CorruptMessageError
from streams.log import get_logger
from streams.schemas.anomalies import Anomaly
from streams.search import Search
from streams.series import SERIES_LABELS, routing_key, shard_of
from streams.settings import StreamSettings
from streams.windows.blocks import decode_table
from streams.windows.regroup import merge_tables, regroup
from streams.windows.rows import take
from streams.windows.table import Floats, Table
from streams.windows.values import derive

log = get_logger(__name__)

DAY_US: Final = 86_400 * SECOND_US
AROUND_US: Final = 30 * SECOND_US
PATIENCE_S: Final = 5.0
MAX_MESSAGES: Final = 20_000


class DayBefore:
    """Asks the log of windows."""

    def __init__(self, settings: StreamSettings, ago_us: int = DAY_US) -> None:
        self._search = Search(settings, "windows", patience_s=PATIENCE_S)
        self._shards = settings.topics.shards
        self._ago_us = ago_us

    async def __call__(self, anomaly: Anomaly) -> Floats | None:
        """None where the log does not reach back that far, or could not be read in five seconds."""
        at_us = anomaly.started_at_us - self._ago_us
        try:
            return value_of(await self._blocks(anomaly, at_us), anomaly, at_us)
        except BrokerUnavailableError as exc:
            log.info("day_before_unknown", anomaly=anomaly.id, error=str(exc))
            return None

    async def _blocks(self, anomaly: Anomaly, at_us: int) -> list[Block]:
        found: list[Block] = []
        room = iter(range(MAX_MESSAGES))

        def take(message: Message) -> bool:
            block = _block(message.value)
            if block is not None and not block.header.provisional:
                if block.header.watermark_us > at_us + 2 * AROUND_US:
                    return False  # whatever comes now is later than what was asked for
                found.append(block)
            return next(room, None) is not None

        shard = shard_of(routing_key(anomaly.kind, anomaly.labels), self._shards)
        await self._search.read(take, since_us=at_us - AROUND_US, partition=shard)
        return found


def _block(value: bytes | None) -> Block | None:
    try:
        return decode_block(value or b"")
    except CorruptMessageError:
        return None


def value_of(blocks: Sequence[Block], anomaly: Anomaly, at_us: int) -> Floats | None:
    """float64[windows] of the anomalous value in the minute around ``at_us``."""
    mine = [
        block
        for block in blocks
        if block.header.columns and block.header.series_kind == anomaly.kind
    ]
    kept = [table for block in mine if len(table := _of(decode_table(block), anomaly, at_us))]
    if not kept:
        return None
    interval_s = mine[0].header.interval_us / SECOND_US
    values = derive(merge_tables(kept), interval_s=interval_s)
    return values.get(anomaly.value_name)


def _of(table: Table, anomaly: Anomaly, at_us: int) -> Table:
    """The rows that the anomaly's series is made of, in that minute, as one series."""
    identity = SERIES_LABELS[anomaly.kind]
    wanted = {name: anomaly.labels[name] for name in identity if name in anomaly.labels}
    mine = {key for key, labels in table.labels.items() if _has(labels, wanted)}
    near = np.abs(table.window_us - at_us) <= AROUND_US
    kept = take(table, near & np.isin(table.series, np.array(sorted(mine), np.int64)))
    one = np.zeros(len(kept), np.int64)
    return regroup(Table(kept.kind, kept.window_us, one, kept.ints, kept.sparse, {0: wanted}))


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(labels.get(name) == text for name, text in wanted.items())
