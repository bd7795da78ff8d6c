"""Facts in one order, whatever shard they come from first."""

from itertools import permutations

import pytest

from streams.batch import Message
from streams.clock import SECOND_US
from streams.codec import BlockHeader
from streams.series import series_id
from streams.windows.blocks import encode_table
from streams.windows.delta import to_table
from tests.streams.samples import request
from tidegate.replay.lines import Lines

NOON_US = 1_767_268_800 * SECOND_US
INTERVAL_US = {"request": SECOND_US}
OTHER = dict.fromkeys(("cluster", "pool", "model", "route", "tenant"), "other")


def window(shard: int, records: int) -> Message:
    """One shard's ``other`` of no pool."""
    event = request(at_us=NOON_US, **OTHER)
    table = to_table("request", [event] * records, interval_us=SECOND_US)
    assert table.series.tolist() == [series_id("request", OTHER)]
    header = BlockHeader(kind="window", shard=shard, watermark_us=NOON_US + SECOND_US)
    (value,) = encode_table(table, header, max_bytes=900_000)
    return Message("windows", shard, 0, NOON_US, b"", value)


@pytest.mark.parametrize("messages", [*permutations([window(0, 3), window(1, 1), window(2, 2)])])
def test_the_other_of_several_shards_has_one_order(messages: tuple[Message, ...]) -> None:
    lines = Lines(INTERVAL_US)
    for message in messages:
        lines.take([message])
    found = [line.fact for line in lines.through(NOON_US + SECOND_US)]
    assert [(one["shard"], one["columns"]["arrived"]) for one in found] == [(0, 3), (1, 1), (2, 2)]


def test_what_is_not_yet_known_waits() -> None:
    lines = Lines(INTERVAL_US)
    lines.take([window(0, 1)])
    assert lines.through(NOON_US + SECOND_US - 1) == []
    assert len(lines.through(NOON_US + SECOND_US)) == 1
    assert lines.through(NOON_US + SECOND_US) == []
