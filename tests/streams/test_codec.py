import random
import struct
import tracemalloc
from collections.abc import Callable

import crc32c
import lz4.block
import numpy as np
import numpy.typing as npt
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.codec import (
    MAX_BODY_BYTES,
    MAX_FRAME_RECORDS,
    BlockHeader,
    Codec,
    FrameHeader,
    decode_block,
    decode_frame,
    decode_record,
    encode_block,
    encode_frame,
    encode_record,
    is_block,
    is_frame,
)
from streams.errors import CorruptMessageError
from streams.schemas.telemetry import RequestEvent
from tests.streams.samples import request

HEADER = BlockHeader(kind="delta", shard=1)
FRAME = FrameHeader(producer="p", boot="b", sequence=7, count=2)
LINES = b'{"a":1}\n{"a":2}\n'
COLUMNS: dict[str, npt.NDArray[np.generic]] = {
    "x": np.arange(500),
    "y": np.linspace(0, 1, 500),
    "z": np.zeros(3, np.uint8),
}


def sealed(magic: bytes, header: bytes, stored: bytes, body_bytes: int, codec: int) -> bytes:
    """An envelope by the book (docs/schemas/envelope.md), whatever is inside."""
    rest = struct.pack("<III", len(header), len(stored), body_bytes) + header + stored
    return magic + bytes([1, codec, 0, 0]) + struct.pack("<I", crc32c.crc32c(rest)) + rest


def framed(count: int, body: bytes, *, codec: int = 0, claims: int | None = None) -> bytes:
    header = encode_record(FRAME.but(count=count))
    return sealed(b"TGF1", header, body, len(body) if claims is None else claims, codec)


@pytest.mark.parametrize("codec", Codec)
def test_a_block_comes_back_as_it_went(codec: Codec) -> None:
    block = decode_block(encode_block(HEADER, COLUMNS, payload=b"[1]", codec=codec))

    assert all(np.array_equal(block.columns[name], array) for name, array in COLUMNS.items())
    assert (block.payload, block.header.but(columns=())) == (b"[1]", HEADER)


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize("lines", [LINES, LINES.rstrip()], ids=["closed", "open"])
def test_a_frame_comes_back_as_it_went(codec: Codec, lines: bytes) -> None:
    encoded = encode_frame(FRAME, lines, codec=codec)

    assert decode_frame(encoded) == (FRAME, [b'{"a":1}', b'{"a":2}'])


def test_an_empty_frame_has_no_lines() -> None:
    assert decode_frame(encode_frame(FRAME.but(count=0), b"")) == (FRAME.but(count=0), [])


def test_a_record_comes_back_as_it_went() -> None:
    event = request("finished", ttft_s=0.1, tenant="潮")

    assert decode_record(encode_record(event), RequestEvent) == event


def test_defaults_do_not_travel() -> None:
    assert encode_record(request(at_us=5)) == b'{"kind":"arrived","at_us":5,"pool":"codex"}'


def test_frames_and_blocks_are_told_apart() -> None:
    block, frame = encode_block(HEADER), encode_frame(FRAME, LINES)

    assert [is_block(block), is_frame(block), is_block(frame), is_frame(frame)] == [
        True,
        False,
        False,
        True,
    ]
    with pytest.raises(CorruptMessageError, match="magic"):
        decode_frame(block)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b'{"kind":"arrived"}', "missing required field `at_us`", id="missing-field"),
        pytest.param(
            b'{"kind":"arrived","at_us":"x","pool":"p"}', "Expected `int`", id="wrong-type"
        ),
        pytest.param(b"\xff", "malformed", id="no-json"),
        pytest.param(b'{"kind":"arrived","at_us":1,"pool":"\xff"}', "utf-8", id="no-utf-8"),
        pytest.param(b'{"x":' + b"[" * 100_000, "recursion", id="depth-bomb"),
    ],
)
def test_a_bad_record_is_named(data: bytes, message: str) -> None:
    with pytest.raises(CorruptMessageError, match=message):
        decode_record(data, RequestEvent)


BOMB = b"\n" * (MAX_BODY_BYTES // 2)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"TGF1", "too few", id="cut-short"),
        pytest.param(encode_frame(FRAME, LINES)[:-1], "length does not match", id="a-byte-less"),
        pytest.param(encode_frame(FRAME, LINES) + b"x", "length does not match", id="a-byte-more"),
        pytest.param(framed(3, LINES), "promises 3 records and holds 2", id="too-few-lines"),
        pytest.param(framed(1, LINES), "promises 1 records and holds 2", id="too-many-lines"),
        pytest.param(framed(-1, LINES), "promises -1", id="less-than-none"),
        pytest.param(framed(MAX_FRAME_RECORDS + 1, b""), "allowed are", id="too-many-records"),
        pytest.param(framed(2, LINES, claims=99), "holds 16 bytes, expected 99", id="body-lies"),
        pytest.param(framed(2, LINES, codec=9), "unknown codec 9", id="codec"),
        pytest.param(framed(2, b"no lz4", codec=1, claims=20), "decompress", id="no-lz4"),
        pytest.param(framed(2, b"no zstd", codec=2, claims=20), "decompress", id="no-zstd"),
        pytest.param(framed(2, b"x", codec=1, claims=5_000_000), "cannot hold", id="lz4-lies"),
        pytest.param(framed(2, b"x", claims=2**32 - 1), "allowed are", id="body-claims-4-gib"),
        pytest.param(
            framed(2, zstandard.ZstdCompressor().compress(BOMB), codec=2, claims=16),
            "expected 16",
            id="zstd-bomb",
        ),
        pytest.param(
            framed(2, lz4.block.compress(BOMB, store_size=False), codec=1, claims=16),
            "decompress",
            id="lz4-bomb",
        ),
        pytest.param(
            framed(2, lz4.block.compress(BOMB, store_size=False), codec=1, claims=len(BOMB)),
            "allowed are",
            id="large-frame",
        ),
        pytest.param(
            sealed(b"TGF1", b"[" * 50_000, b"", 0, 0), "recursion|Expected", id="deep-header"
        ),
        pytest.param(sealed(b"TGF1", b"{}", b"", 0, 0), "missing required field", id="no-header"),
    ],
)
def test_a_frame_that_lies_is_refused_within_bounds_of_memory(data: bytes, message: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(CorruptMessageError, match=message):
            decode_frame(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 2_000_000 + len(data) * 3


def test_a_body_full_of_empty_lines_makes_no_list_of_them() -> None:
    body = b"\n" * 10_000_000
    data = framed(5, lz4.block.compress(body, store_size=False), codec=1, claims=len(body))

    tracemalloc.start()
    with pytest.raises(CorruptMessageError, match="holds 10000000"):
        decode_frame(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 4 * len(body)


def with_columns(*columns: tuple[str, str, int]) -> bytes:
    return sealed(b"TGB1", encode_record(HEADER.but(columns=columns)), b"12345678", 8, 0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(with_columns(("x", "<i8", 2)), "beyond the body", id="column-too-long"),
        pytest.param(
            with_columns(("x", "<i8", 2**80)), "beyond the body", id="column-of-2-to-the-80"
        ),
        pytest.param(with_columns(("x", "<i8", -1)), "-1 values", id="less-than-none"),
        pytest.param(with_columns(("x", "|O8", 1)), "dtype", id="python-objects"),
        pytest.param(with_columns(("x", "<i3", 1)), "dtype", id="no-such-integer"),
        pytest.param(with_columns(("x", "|i1", 1), ("x", "|i1", 1)), "comes twice", id="twice"),
        pytest.param(
            with_columns(*[(str(n), "|i1", 0) for n in range(1_001)]), "1001 columns", id="many"
        ),
    ],
)
def test_a_block_that_lies_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(CorruptMessageError, match=message):
        decode_block(data)


@pytest.mark.parametrize("decode", [decode_block, decode_frame])
@given(st.binary(max_size=80))
@settings(max_examples=50, deadline=None)
def test_any_bytes_are_a_message_or_corrupt(decode: Callable[[bytes], object], data: bytes) -> None:
    for prefix in (b"", b"TGB1\x01\x00\x00\x00", b"TGF1\x01\x01\x00\x00"):
        with pytest.raises(CorruptMessageError):
            decode(prefix + data)


@pytest.mark.parametrize("codec", Codec)
def test_no_flipped_bit_goes_unnoticed(codec: Codec) -> None:
    sound = encode_block(HEADER, COLUMNS, codec=codec)
    rng = random.Random(5)

    for _ in range(150):
        at = rng.randrange(len(sound))
        if at in {6, 7}:
            continue  # reserved
        flipped = bytearray(sound)
        flipped[at] ^= 1 << rng.randrange(8)
        with pytest.raises(CorruptMessageError):
            decode_block(bytes(flipped))


def test_a_reader_skips_fields_it_does_not_know() -> None:
    header = encode_record(HEADER)[:-1] + b',"tide":{"high":true}}'

    assert decode_block(sealed(b"TGB1", header, b"", 0, 0)).header == HEADER
