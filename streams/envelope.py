"""The envelope that frames and blocks share: magic, version, codec, checksum, header and body.

Little-endian, described byte for byte in ``docs/schemas/envelope.md``:

====== ==== ==========================================================
offset size meaning
====== ==== ==========================================================
0      4    magic: ``TGB1`` block, ``TGF1`` frame
4      1    version: 1; a frame whose body is columns: 2
5      1    codec of the body: 0 none, 1 lz4, 2 zstd
6      2    reserved, 0
8      4    crc32c of everything from byte 12 on
12     4    length of the header
16     4    length of the body as stored
20     4    length of the body as decoded
24     ...  header, JSON
...    ...  body
====== ==== ==========================================================
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import crc32c
import lz4.block
import zstandard

from streams.errors import CorruptMessageError

MAX_BODY_BYTES: Final = 64 * 1024 * 1024
"""What a body may decode to: a small message must not become a large one."""

_START: Final = struct.Struct("<4sBBH")
_CRC: Final = struct.Struct("<I")
_LENGTHS: Final = struct.Struct("<III")
_ENVELOPE_BYTES: Final = _START.size + _CRC.size + _LENGTHS.size
_CHECKED_FROM: Final = _START.size + _CRC.size
_LZ4_MOST: Final = 255
"""No byte of lz4 can stand for more than this many."""


class Codec(IntEnum):
    NONE = 0
    LZ4 = 1
    ZSTD = 2


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a message is, and how large its decoded body may be."""

    magic: bytes
    version: int
    max_body_bytes: int


def seal(envelope: Envelope, header: bytes, body: bytes, codec: Codec) -> bytes:
    stored = body
    match codec:
        case Codec.LZ4:
            stored = lz4.block.compress(body, store_size=False)
        case Codec.ZSTD:
            stored = zstandard.ZstdCompressor().compress(body)
        case Codec.NONE:
            pass
    checked = _LENGTHS.pack(len(header), len(stored), len(body)) + header + stored
    start = _START.pack(envelope.magic, envelope.version, codec, 0)
    return start + _CRC.pack(crc32c.crc32c(checked)) + checked


def unseal(envelope: Envelope, data: bytes) -> tuple[bytes, bytes]:
    """Header and decoded body; nothing is believed before lengths and checksum agree.

    Raises CorruptMessageError.
    """
    if len(data) < _ENVELOPE_BYTES:
        raise CorruptMessageError(f"{len(data)} bytes are too few for an envelope")
    found, version, codec, _ = _START.unpack_from(data)
    (crc,) = _CRC.unpack_from(data, _START.size)
    header_size, stored_size, body_size = _LENGTHS.unpack_from(data, _CHECKED_FROM)
    if (found, version) != (envelope.magic, envelope.version):
        raise CorruptMessageError(
            f"magic {found!r} version {version}, expected {envelope.magic!r} {envelope.version}"
        )
    if len(data) != _ENVELOPE_BYTES + header_size + stored_size:
        raise CorruptMessageError("length does not match the envelope")
    if body_size > envelope.max_body_bytes:
        raise CorruptMessageError(
            f"body of {body_size} bytes, allowed are {envelope.max_body_bytes}"
        )
    if crc32c.crc32c(memoryview(data)[_CHECKED_FROM:]) != crc:
        raise CorruptMessageError("checksum does not match")
    body_at = _ENVELOPE_BYTES + header_size
    return data[_ENVELOPE_BYTES:body_at], _decompress(codec, data[body_at:], body_size)


def _decompress(codec: int, stored: bytes, body_size: int) -> bytes:
    try:
        match codec:
            case Codec.NONE:
                body = stored
            case Codec.LZ4:
                body = _lz4(stored, body_size)
            case Codec.ZSTD:
                # Read piece by piece: ``decompress`` allocates whatever the body says of itself.
                reader = zstandard.ZstdDecompressor(max_window_size=MAX_BODY_BYTES)
                body = reader.stream_reader(stored).read(body_size + 1)
            case _:
                raise CorruptMessageError(f"unknown codec {codec}")
    except (lz4.block.LZ4BlockError, zstandard.ZstdError, ValueError) as exc:
        raise CorruptMessageError(f"body does not decompress ({exc})") from exc
    if len(body) != body_size:
        raise CorruptMessageError(f"body holds {len(body)} bytes, expected {body_size}")
    return body


def _lz4(stored: bytes, body_size: int) -> bytes:
    if body_size > _LZ4_MOST * len(stored):
        raise CorruptMessageError(f"{len(stored)} bytes of lz4 cannot hold {body_size}")
    body: bytes = lz4.block.decompress(stored, uncompressed_size=body_size) if body_size else b""
    return body
