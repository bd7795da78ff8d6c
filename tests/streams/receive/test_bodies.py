import gzip
import zlib

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.receive.bodies import BodyError, plain

LIMIT = 1_000


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("", b"moon"),
        ("identity", b"moon"),
        ("gzip", gzip.compress(b"moon", mtime=0)),
        ("Snappy", bytes(cramjam.snappy.compress_raw(b"moon"))),
    ],
)
def test_known_encodings(encoding: str, packed: bytes) -> None:
    assert plain(packed, encoding, LIMIT) == b"moon"


@pytest.mark.parametrize(
    ("encoding", "packed", "status"),
    [
        pytest.param("gzip", gzip.compress(bytes(10**8)), 413, id="a-bomb"),
        pytest.param("snappy", bytes(cramjam.snappy.compress_raw(bytes(10**7))), 413, id="snap"),
        pytest.param("snappy", b"\xff\xff\xff\xff\x0fxx", 413, id="says-it-is-huge"),
        pytest.param("identity", bytes(LIMIT + 1), 413, id="just-too-large"),
        pytest.param("gzip", gzip.compress(b"moon", mtime=0)[:-9], 400, id="cut-off"),
        pytest.param("gzip", zlib.compress(b"moon"), 400, id="no-gzip"),
        pytest.param("snappy", b"moon", 400, id="no-snappy"),
        pytest.param("br", b"moon", 415, id="unknown"),
    ],
)
def test_what_is_broken_or_too_large_is_refused(encoding: str, packed: bytes, status: int) -> None:
    with pytest.raises(BodyError) as caught:
        plain(packed, encoding, LIMIT)

    assert caught.value.status == status


@given(st.binary(), st.sampled_from(["gzip", "snappy", "identity", "zstd"]))
def test_any_bytes_are_bytes_or_a_refusal(packed: bytes, encoding: str) -> None:
    try:
        found = plain(packed, encoding, LIMIT)
    except BodyError as exc:
        found = str(exc.status).encode()

    assert len(found) <= LIMIT
