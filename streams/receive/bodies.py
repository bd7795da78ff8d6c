"""Compressed bytes in, plain ones within a limit out: nothing larger is ever made."""

import zlib
from typing import Final

import cramjam

from streams.errors import TidegateError

_GZIP: Final = 16 + zlib.MAX_WBITS


class BodyError(TidegateError):
    """What was sent cannot be read; ``status`` is the answer, ``reason`` a word for counting."""

    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason


def plain(body: bytes, encoding: str, limit: int) -> bytes:
    """Raises BodyError for what is broken, unknown, or larger than ``limit`` when unpacked."""
    match encoding.strip().lower():
        case "" | "identity":
            found = body
        case "gzip":
            found = _gunzipped(body, limit)
        case "snappy":
            found = _unsnapped(body, limit)
        case other:
            detail = f"content-encoding must be gzip, snappy or identity, got {other[:40]!r}"
            raise BodyError(415, "encoding", detail)
    if len(found) > limit:
        raise _too_large(limit)
    return found


def _gunzipped(body: bytes, limit: int) -> bytes:
    unpacking = zlib.decompressobj(_GZIP)
    try:
        found = unpacking.decompress(body, limit + 1)
    except zlib.error as exc:
        raise BodyError(400, "broken", f"body is not gzip ({exc})") from exc
    if len(found) > limit:
        raise _too_large(limit)
    if not unpacking.eof:
        raise BodyError(400, "broken", "body is not gzip (it was cut off)")
    return found


def _unsnapped(body: bytes, limit: int) -> bytes:
    """The block format, which tells its size in front."""
    size = shift = 0
    for byte in body[:5]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if size > limit:
        raise _too_large(limit)
    try:
        return bytes(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as exc:
        raise BodyError(400, "broken", f"body is not snappy ({exc})") from exc


def _too_large(limit: int) -> BodyError:
    return BodyError(413, "too_large", f"at most {limit} bytes are read")
