import json
import struct
import tracemalloc
from collections.abc import Sequence
from typing import Any

import crc32c
import lz4.block
import msgspec
import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.codec import MAX_FRAME_RECORDS, FrameHeader, encode_frame, encode_record
from streams.envelope import Codec
from streams.errors import CorruptMessageError
from streams.frames import (
    Column,
    decode_columns,
    encode_columns,
    encode_records,
    is_columns,
    narrowed,
    shape_of,
)
from streams.schemas.system import DeadLetter
from streams.schemas.telemetry import EngineSample, GpuSample, RequestEvent
from streams.windows.regroup import merge_tables
from streams.windows.table import Table
from tests.streams.samples import T0, assert_same, batch, engine, gpu, message, request
from tests.streams.test_delta import EVENTS
from tests.streams.test_ingest import arrived, frame, ingest, letters, tables

HEADER = FrameHeader(producer="p", boot="b", sequence=1, count=2)
REQUESTS = shape_of(RequestEvent)
TEXTS = {"kind": ["arrived", "finished"], "pool": ["codex"]}


def columns(**but: Any) -> dict[str, Column]:
    """Of one that arrived and one that was finished."""
    usual: dict[str, Column] = {
        "kind": np.array([0, 1], "|u1"),
        "at_us": np.array([T0, T0], "<i8"),
        "pool": np.array([0, 0], "|u1"),
    }
    return {name: column for name, column in (usual | but).items() if column is not None}


def framed(texts: Any = None, **but: Any) -> bytes:
    return encode_columns(HEADER.but(texts=TEXTS | (texts or {})), columns(**but))


def sealed(header: FrameHeader | bytes, stored: bytes, claims: int, codec: int = 0) -> bytes:
    """An envelope by the book (docs/schemas/envelope.md), whatever is inside."""
    head = header if isinstance(header, bytes) else encode_record(header)
    rest = struct.pack("<III", len(head), len(stored), claims) + head + stored
    return b"TGF1" + bytes([2, codec, 0, 0]) + struct.pack("<I", crc32c.crc32c(rest)) + rest


def sums(out: Sequence[Any]) -> list[Table]:
    return [merge_tables(tables(out))]


@pytest.mark.parametrize("codec", Codec)
def test_records_come_back_as_they_went(codec: Codec) -> None:
    records = [request("finished", ttft_s=0.25, tenant="潮"), request(prompt_tokens=-(2**40))]

    found = decode_columns(encode_records(HEADER, records, codec=codec), REQUESTS)

    assert [msgspec.convert(found.values(n), RequestEvent) for n in range(2)] == records
    assert json.loads(found.json(0))["ttft_s"] == 0.25


def test_what_holds_only_defaults_does_not_travel() -> None:
    found = decode_columns(encode_records(HEADER, [request(), request()]), REQUESTS)

    assert [name for name, _ in found.header.columns] == ["kind", "at_us", "pool"]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([0, 255], "|u1"), ([256], "<u2"), ([-1, 127], "|i1"), ([2**40], "<i8"), ([], "|u1")],
)
def test_whole_numbers_take_as_few_bytes_as_hold_them(values: list[int], dtype: str) -> None:
    assert narrowed(values).dtype.str == dtype


def test_lines_and_columns_are_told_apart() -> None:
    told = [is_columns(data) for data in (framed(), encode_frame(HEADER, b"1\n2"), b"{}")]

    assert told == [True, False, False]


FINITE = EVENTS.filter(lambda event: event.ttft_s != float("inf")).map(
    lambda event: event.but(output_tokens=min(event.output_tokens, 2**60))
)
"""What both can hold: JSON knows no infinity, columns no numbers beyond 64 bits."""


@given(st.lists(st.lists(FINITE, min_size=1, max_size=6), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_columns_sum_up_to_what_json_does(events: list[list[Any]]) -> None:
    as_lines = [frame(*records, sequence=n) for n, records in enumerate(events)]
    as_columns = [
        encode_records(HEADER.but(sequence=n), records) for n, records in enumerate(events)
    ]

    left, right = (
        ingest().step(batch(*(message(value, n) for n, value in enumerate(values))))
        for values in (as_lines, as_columns)
    )

    assert_same(sums(left), sums(right))
    assert letters(left) == letters(right)


@pytest.mark.parametrize(
    ("topic", "records"),
    [
        pytest.param("gpu", [gpu(power_w=300, pool="a"), gpu("GPU-2", xid=79)], id="gpu"),
        pytest.param("engine", [engine(up=1, finished=3), engine(ttft_s=0.5)], id="engine"),
    ],
)
def test_samples_come_as_columns_too(topic: str, records: list[Any]) -> None:
    values = [encode_records(HEADER, records), b"\n".join(map(encode_record, records)) + b"\n"]

    left, right = (ingest(topic).step(batch(message(value, topic=topic))) for value in values)

    assert_same(sums(left), sums(right))
    assert letters(left) == letters(right) == []


def test_json_and_columns_may_take_turns() -> None:
    values = [framed(), encode_record(request()), framed(), b"moon", encode_record(request())]

    out = ingest().step(batch(*(message(value, n) for n, value in enumerate(values))))

    assert (arrived(out), letters(out)) == (3, [(3, 0, "not_json")])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param({"kind": np.array([0, 2], "|u1")}, "unknown_kind", id="a-kind-there-is-not"),
        pytest.param({"ttft_s": np.array([0, np.nan])}, "not_finite", id="nan"),
        pytest.param({"ttft_s": np.array([0, -np.inf])}, "not_finite", id="infinite"),
        pytest.param({"ttft_s": np.array([0, -1], "|i1")}, "out_of_range", id="negative"),
        pytest.param({"duration_s": np.array([0, 1e12])}, "out_of_range", id="too-large"),
        pytest.param({"output_tokens": np.array([0, -1])}, "out_of_range", id="fewer-than-none"),
        pytest.param({"pool": np.array([0, 1], "|u1")}, "too_large", id="a-long-name"),
        pytest.param({"at_us": np.array([T0, T0 + 2**40])}, "far_future", id="far-ahead"),
        pytest.param({"at_us": np.array([T0, 2**63 - 1])}, "far_future", id="no-instant"),
    ],
)
def test_a_bad_record_costs_its_neighbour_nothing(bad: dict[str, Any], reason: str) -> None:
    texts = {"kind": ["arrived", "finished", "risen"], "pool": ["codex", "x" * 300]}

    out = ingest().step(batch(message(framed(texts, **bad), 5)))

    assert (arrived(out), letters(out)) == (1, [(5, 1, reason)])


def test_a_bad_record_is_shown_as_the_json_it_would_have_been() -> None:
    out = ingest().step(batch(message(framed(ttft_s=np.array([0.5, np.nan])))))

    (letter,) = [o.value for o in out if isinstance(o.value, DeadLetter)]
    shown = f'"kind":"finished","at_us":{T0},"pool":"codex","ttft_s":NaN'
    assert letter.head == f"{{{shown}}}"
    assert letter.detail == "ttft_s is nan"


def test_what_is_not_present_may_be_anything() -> None:
    there = np.array([1, 0], "|u1")

    out = ingest().step(
        batch(message(framed(**{"ttft_s": np.array([1, np.nan]), "ttft_s?": there})))
    )

    assert letters(out) == []


def test_a_repeated_frame_of_columns_counts_once_whatever_it_was_sent_as() -> None:
    values = [framed(), framed(), frame(request())]

    assert arrived(ingest().step(batch(*(message(v, n) for n, v in enumerate(values))))) == 1


def test_unknown_columns_are_skipped() -> None:
    assert arrived(ingest().step(batch(message(framed(tide=np.array([1.0, 2.0])))))) == 1


def test_changes_do_not_come_as_columns() -> None:
    out = ingest("changes").step(batch(message(framed(), topic="changes")))

    assert letters(out) == [(0, 0, "corrupt_frame")]


ONES = np.ones(2, "|u1")
BODY = b"".join(column.tobytes() for column in columns().values())
WITH_COLUMNS = HEADER.but(texts=TEXTS, columns=(("kind", "|u1"), ("at_us", "<i8"), ("pool", "|u1")))
BOMB = bytes(8 * 1024 * 1024)


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        pytest.param(framed()[:-1], "length does not match", id="a-byte-less"),
        pytest.param(
            sealed(WITH_COLUMNS, BODY[:-1], 19), "columns hold 20 bytes", id="body-too-short"
        ),
        pytest.param(sealed(WITH_COLUMNS, BODY + b"x", 21), "the body 21", id="body-too-long"),
        pytest.param(sealed(WITH_COLUMNS, BODY, 99), "expected 99", id="length-lies"),
        pytest.param(sealed(b"{}", b"", 0), "missing required", id="no-header"),
        pytest.param(
            sealed(WITH_COLUMNS.but(count=3), BODY, 20),
            "columns hold 30 bytes",
            id="count-too-high",
        ),
        pytest.param(
            sealed(WITH_COLUMNS.but(count=1), BODY, 20), "the body 20", id="count-too-low"
        ),
        pytest.param(sealed(WITH_COLUMNS.but(count=-1), BODY, 20), "-1 records", id="below-none"),
        pytest.param(
            sealed(WITH_COLUMNS.but(count=2**70), BODY, 20), "allowed are", id="beyond-64-bits"
        ),
        pytest.param(
            sealed(WITH_COLUMNS.but(count=MAX_FRAME_RECORDS + 1), BODY, 20), "allowed", id="many"
        ),
        pytest.param(
            sealed(HEADER.but(columns=(("at_us", "<i8"),) * 2), bytes(32), 32), "twice", id="twice"
        ),
        pytest.param(
            sealed(HEADER.but(columns=(("x", "<i8"),) * 2), bytes(32), 32),
            "twice",
            id="unknown-column-twice",
        ),
        pytest.param(
            sealed(HEADER.but(columns=tuple((str(n), "|u1") for n in range(101))), b"", 0),
            "101 columns",
            id="too-many-columns",
        ),
        *[
            pytest.param(
                sealed(HEADER.but(columns=(("tide", dtype),)), bytes(16), 16), "dtype", id=dtype
            )
            for dtype in ("|O8", "<u8", ">i8", "<f2", "|V8", "<M8[s]", "i8,i8", "")
        ],
        pytest.param(
            framed(at_us=np.array([0.0, 1.0])), "'at_us' has dtype", id="instant-as-float"
        ),
        pytest.param(framed(pool=np.array([0, 0], "|i1")), "'pool' has dtype", id="text-as-signed"),
        pytest.param(framed(**{"ttft_s?": ONES}), "'ttft_s' is missing", id="presence-of-nothing"),
        pytest.param(framed(pool=None), "'pool' is missing", id="no-pool"),
        pytest.param(framed(pool=np.array([0, 1], "|u1")), "text 1 of 1", id="text-out-of-range"),
        pytest.param(framed({"pool": []}), "text 0 of 0", id="no-texts"),
        pytest.param(
            sealed(WITH_COLUMNS, zstandard.ZstdCompressor().compress(BOMB), 20, 2),
            "expected 20",
            id="zstd-bomb",
        ),
        pytest.param(
            sealed(WITH_COLUMNS, lz4.block.compress(BOMB, store_size=False), 20, 1),
            "decompress",
            id="lz4-bomb",
        ),
        pytest.param(
            sealed(WITH_COLUMNS, lz4.block.compress(BOMB, store_size=False), 3 * len(BOMB), 1),
            "allowed are",
            id="large-body",
        ),
        pytest.param(sealed(b"[" * 50_000, b"", 0), "", id="deep-header"),
    ],
)
def test_a_frame_that_lies_is_one_dead_letter_within_bounds_of_memory(
    data: bytes, detail: str
) -> None:
    one = ingest()
    tracemalloc.start()
    try:
        out = one.step(batch(message(encode_record(request()), 0), message(data, 1)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (arrived(out), letters(out)) == (1, [(1, 0, "corrupt_frame")])
    assert detail in next(o.value.detail for o in out if isinstance(o.value, DeadLetter))
    assert peak < 3_000_000 + len(data) * 3


SHAPES = [(shape_of(kind), sample) for kind, sample in (
    (RequestEvent, [request("finished", ttft_s=0.1), request(tenant="a")]),
    (EngineSample, [engine(up=1.0), engine("b", ttft_s=0.1)]),
    (GpuSample, [gpu(power_w=3.0), gpu("b", xid=3)]),
)]  # fmt: skip


@given(st.sampled_from(SHAPES), st.data())
@settings(max_examples=200, deadline=None)
def test_mutated_bytes_are_a_frame_or_corrupt(shape: Any, data: st.DataObject) -> None:
    """The checksum is set right again: what is behind it has to hold by itself."""
    kind, records = shape
    sound = bytearray(encode_records(HEADER, records, codec=Codec.NONE))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(4, len(sound) - 1))
        sound[at] = data.draw(st.integers(0, 255))
    sound[8:12] = struct.pack("<I", crc32c.crc32c(bytes(sound[12:])))

    try:
        found = decode_columns(bytes(sound), kind)
    except CorruptMessageError:
        return
    assert all(len(column) == len(found) for column in found.columns.values())
    assert all(found.json(line) for line in range(len(found)))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_mutated_frames_cost_their_neighbours_nothing(data: st.DataObject) -> None:
    sound = bytearray(encode_records(HEADER, SHAPES[0][1], codec=Codec.NONE))
    for _ in range(data.draw(st.integers(1, 8))):
        sound[data.draw(st.integers(24, len(sound) - 1))] = data.draw(st.integers(0, 255))
    sound[8:12] = struct.pack("<I", crc32c.crc32c(bytes(sound[12:])))
    one = ingest()

    out = one.step(batch(message(encode_record(request()), 0), message(bytes(sound), 1)))

    assert arrived(out) >= 1
    counts = one.newest
    assert counts is not None
    assert counts.records == counts.accepted + counts.late + counts.far_future + counts.dead
    assert counts.far_future + counts.dead == len(letters(out))
