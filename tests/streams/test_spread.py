"""Records that hold many values at once, and the windows made of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.codec import FrameHeader
from streams.frame_fields import FrameFields, Joined
from streams.frames import decode_columns, encode_records, shape_of
from streams.schemas.telemetry import EngineSample
from streams.windows.columns import Columns, joined, read_columns
from streams.windows.delta import add_up, sum_up, to_table
from streams.windows.fields import RecordFields
from streams.windows.identity import SeriesIndex
from streams.windows.spread import MAX_SPREAD_CHARS, read_spread, spread_text
from tests.streams.samples import T0, assert_same, engine

SECOND_US = 1_000_000
HALF_TO_TWO = "0.5:3 2:1"


def spread(text: str, replica: str = "a", mean_s: float = 0.875) -> EngineSample:
    return engine(replica=replica, at_us=T0, ttft_s=mean_s, ttft_spread=text)


def each(*values_s: float, replica: str = "a") -> list[EngineSample]:
    return [engine(replica=replica, at_us=T0, ttft_s=value) for value in values_s]


def test_a_spread_counts_as_its_values_and_not_as_their_mean() -> None:
    whole = to_table("engine", [spread(HALF_TO_TWO)], interval_us=SECOND_US)

    apart = to_table("engine", each(0.5, 0.5, 0.5, 2.0), interval_us=SECOND_US)
    assert_same([whole], [apart])


def test_records_with_and_without_stand_side_by_side() -> None:
    mixed = [*each(0.25), spread("0.5:2"), *each(0.75, replica="b"), *each(1.0)]

    apart = [*each(0.25, 0.5, 0.5, 1.0), *each(0.75, replica="b")]
    assert_same(
        [to_table("engine", mixed, interval_us=SECOND_US)],
        [to_table("engine", apart, interval_us=SECOND_US)],
    )


def test_portions_with_and_without_can_be_joined() -> None:
    index = SeriesIndex("engine")
    portions = [sum_columns(each(0.25), index), sum_columns([spread("0.5:2")], index)]

    together = joined(portions, "engine")

    [table] = add_up(together, np.ones(2, np.bool_), SECOND_US, index)
    assert table.ints["ttft_s.n"].tolist() == [3]
    assert table.ints["ttft_s.sum"].tolist() == [1_250_000]


def sum_columns(records: list[EngineSample], index: SeriesIndex) -> Columns:
    return read_columns(RecordFields(records), index)


def test_frames_of_columns_carry_them_too() -> None:
    header = FrameHeader(producer="p", boot="b", sequence=1, count=0)
    records = [*each(0.25), spread(HALF_TO_TWO)]
    frame = decode_columns(encode_records(header, records), shape_of(EngineSample))

    read = read_columns(FrameFields(Joined([frame])), SeriesIndex("engine"))

    assert read.seen["ttft_s"].times is not None
    assert read.seen["ttft_s"].times.tolist() == [1, 3, 1]


@pytest.mark.parametrize(
    "text",
    ["x", "1", "1:", "1:2:3", "1:2 3", "nan:1", "inf:1", "-1:1", "1:0", "1:-2", "1:1.5", "1e9:1e9",
     "1:1 " * MAX_SPREAD_CHARS],
)  # fmt: skip
def test_what_is_no_spread_is_set_aside_and_says_why(text: str) -> None:
    summed = sum_up([spread(text), *each(1.0)], interval_us=SECOND_US, index=SeriesIndex("engine"))

    assert list(summed.rejects) == [0]
    assert "ttft_spread" in summed.rejects[0].detail
    assert [len(table) for table in summed.tables] == [1]


@given(st.dictionaries(st.integers(0, 10**6), st.integers(1, 10**6), min_size=1, max_size=50))
@settings(max_examples=50, deadline=None)
def test_text_and_back_is_the_same(counts: dict[int, int]) -> None:
    values = np.array(list(counts), np.float64) / SECOND_US

    read = read_spread(spread_text(values, np.array(list(counts.values()))), SECOND_US)

    assert read is not None
    assert dict(zip(*(column.tolist() for column in read), strict=True)) == counts
