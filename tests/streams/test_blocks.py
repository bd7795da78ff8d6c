from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.clock import SECOND_US
from streams.codec import Block, BlockHeader, decode_block
from streams.errors import CorruptMessageError
from streams.windows.blocks import decode_table, encode_table, encode_tables
from streams.windows.delta import to_table
from streams.windows.rows import empty_table
from tests.streams.samples import T0, assert_same, engine, engines, request

HEADER = BlockHeader(kind="delta", shard=3, source="requests", from_offset=1, next_offset=9)

EVENTS = st.builds(
    request,
    kind=st.sampled_from(["arrived", "finished", "gauge"]),
    at_us=st.integers(T0, T0 + 2 * SECOND_US),
    tenant=st.text(st.characters(exclude_categories=("C", "Z")), max_size=5),
    ttft_s=st.sampled_from([None, 0.1, 2.0]),
    queued=st.sampled_from([None, 2.0]),
)


def block_of(**but: Any) -> Block:
    """A sound block of two engines, with other columns or another header."""
    block = decode_block(encode_table(engines("a", "b", ttft_s=0.1), HEADER, max_bytes=100_000)[0])
    header = but.pop("header", {})
    return Block(block.header.but(**header), {**block.columns, **but})


@given(st.lists(EVENTS, max_size=20))
@settings(max_examples=40, deadline=None)
def test_a_table_comes_back_as_it_went(events: list[Any]) -> None:
    table = to_table("request", events, interval_us=SECOND_US)

    (encoded,) = encode_table(table, HEADER, max_bytes=900_000)

    block = decode_block(encoded)
    assert_same([decode_table(block)], [table])
    assert block.header.but(columns=(), dictionary={}) == HEADER.but(series_kind="request")


def test_a_large_table_is_cut_into_parts_that_fit() -> None:
    table = engines(*(f"replica-{n}" for n in range(300)), ttft_s=0.1)

    encoded = encode_table(table, HEADER, max_bytes=20_000)

    blocks = [decode_block(part) for part in encoded]
    assert max(map(len, encoded)) <= 20_000
    assert [b.header.part for b in blocks] == list(range(1, len(blocks) + 1))
    assert {b.header.parts for b in blocks} == {len(blocks)}
    assert_same([decode_table(block) for block in blocks], [table])


def test_a_row_larger_than_a_block_still_travels() -> None:
    encoded = encode_table(engines("a", "b"), HEADER, max_bytes=1)

    assert [len(decode_table(decode_block(part))) for part in encoded] == [1, 1]


def test_several_tables_are_parts_of_one_block() -> None:
    encoded = encode_tables([engines("a"), engines("b")], HEADER, max_bytes=100_000)

    assert [decode_block(part).header.part for part in encoded] == [1, 2]


def test_a_heartbeat_is_small() -> None:
    (encoded,) = encode_table(empty_table("engine"), HEADER, max_bytes=100_000)

    assert len(encoded) < 250
    assert len(decode_table(decode_block(encoded))) == 0


def test_columns_that_hold_nothing_are_left_out() -> None:
    (encoded,) = encode_table(engines("a"), HEADER, max_bytes=100_000)

    names = [name for name, _, _ in decode_block(encoded).header.columns]
    assert names == ["window_us", "series", "up.n", "up.sum", "up.min", "up.max"]


@pytest.mark.parametrize(
    ("block", "message"),
    [
        pytest.param(
            block_of(header={"series_kind": "moon"}),
            "series_kind must be one of",
            id="unknown-kind",
        ),
        pytest.param(
            block_of(series=np.zeros(1, np.int64)),
            "2 values of window_us, but 1 of series",
            id="keys-differ",
        ),
        pytest.param(block_of(header={"dictionary": {}}), "not in the dictionary", id="no-labels"),
        pytest.param(block_of(header={"dictionary": {"xyz": {}}}), "no series id", id="bad-series"),
        pytest.param(
            block_of(**{"up.n": np.ones(3, np.int64)}), "3 values for 2 rows", id="length"
        ),
        pytest.param(block_of(**{"up.n": np.ones(2)}), "must hold integers", id="floats"),
        pytest.param(
            block_of(window_us=np.array([T0, T0 + 7])), "multiples of 1000000", id="off-the-grid"
        ),
        pytest.param(block_of(window_us=np.array([T0, T0 - SECOND_US])), "sorted", id="unsorted"),
        pytest.param(block_of(header={"interval_us": 0}), "multiples of 0", id="no-interval"),
        pytest.param(block_of(**{"ttft_s#row": np.array([0, 2])}), "beyond rows", id="row-beyond"),
        pytest.param(block_of(**{"ttft_s#row": np.array([-1, 0])}), "beyond rows", id="row-before"),
        pytest.param(
            block_of(**{"ttft_s#bucket": np.array([9_999, 1])}), "buckets", id="bucket-beyond"
        ),
        pytest.param(block_of(**{"ttft_s#count": np.array([0, 1])}), "buckets", id="count-of-none"),
        pytest.param(
            block_of(**{"ttft_s#row": np.array([1, 0])}), "not sorted", id="unsorted-histogram"
        ),
        pytest.param(
            block_of(**{"ttft_s#count": np.array([1])}), "unequal length", id="triples-differ"
        ),
    ],
)
def test_nonsense_is_named(block: Block, message: str) -> None:
    with pytest.raises(CorruptMessageError, match=message):
        decode_table(block)


def test_columns_a_reader_does_not_know_are_skipped() -> None:
    block = block_of(tide_height=np.ones(2, np.int64))

    assert "tide_height" not in decode_table(block).ints


def test_labels_that_need_escapes_still_fit() -> None:
    records = [engine('"\\' * 128, pool=f"{n:03}" + '"' * 250) for n in range(300)]
    table = to_table("engine", records, interval_us=SECOND_US)

    encoded = encode_table(table, HEADER, max_bytes=100_000)

    assert max(map(len, encoded)) <= 100_000
