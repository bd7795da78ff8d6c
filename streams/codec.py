"""Record <-> JSON bytes, block and frame <-> bytes: the only wire format.

A frame (many raw records of a producer) and a block (columns of an interval) share one envelope,
little-endian, described byte for byte in ``docs/schemas/envelope.md``:

====== ==== ==========================================================
offset size meaning
====== ==== ==========================================================
0      4    magic: ``TGB1`` block, ``TGF1`` frame
4      1    version of the envelope, 1
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
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeVar

import crc32c
import lz4.block
import msgspec
import numpy as np
import numpy.typing as npt
import zstandard

from streams.errors import CorruptMessageError
from streams.schemas.base import Record

R = TypeVar("R", bound=msgspec.Struct)

BLOCK_MAGIC: Final = b"TGB1"
FRAME_MAGIC: Final = b"TGF1"
MAX_BODY_BYTES: Final = 64 * 1024 * 1024
"""What a body may decode to: a small message must not become a large one."""

_ENVELOPE: Final = struct.Struct("<4sBBHIIII")
_JSON: Final = msgspec.json.Encoder()


class Codec(IntEnum):
    NONE = 0
    LZ4 = 1
    ZSTD = 2


class BlockHeader(Record, frozen=True, kw_only=True):
    """What a block says of itself; columns lie in the body in the order given.

    kind: ``delta``, ``control``, ``window``, ``anomaly``; for tables, ``series_kind`` says of what.
    Progress of a source counts only with part n of n. A block without rows is a heartbeat.
    """

    kind: str
    series_kind: str = ""
    schema: int = 1
    shard: int
    source: str = ""
    """Topic it was made from; empty for windows and anomalies."""
    partition: int = 0
    from_offset: int = 0
    next_offset: int = 0
    watermark_us: int = 0
    """Of the source (delta), or the shard's final watermark (window, anomaly)."""
    part: int = 1
    parts: int = 1
    interval_us: int = 1_000_000
    provisional: bool = False
    coverage: float = 1.0
    """Share of sources whose watermark has passed the windows in the block."""
    columns: tuple[tuple[str, str, int], ...] = ()
    """(name, numpy dtype such as ``<i8``, number of values)"""
    dictionary: dict[str, dict[str, str]] = {}
    """series id in hex -> labels, for every series in the block"""


class FrameHeader(Record, frozen=True, kw_only=True):
    """Many raw records of one producer in one message; body: JSON lines.

    (producer, boot, sequence) identifies the frame: a repeated one is recognised.
    """

    producer: str
    boot: str
    sequence: int
    count: int


@dataclass(frozen=True, slots=True)
class Block:
    """A header with its columns, or (kind ``anomaly``, ``control``) JSON records in ``payload``."""

    header: BlockHeader
    columns: Mapping[str, npt.NDArray[np.generic]]
    payload: bytes = b""


def encode_record(record: msgspec.Struct) -> bytes:
    return _JSON.encode(record)


def decode_record(data: bytes, kind: type[R]) -> R:
    """Raises CorruptMessageError that names the field and what was expected."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise CorruptMessageError(f"{kind.__name__}: {exc}") from exc


def encode_block(
    header: BlockHeader,
    columns: Mapping[str, npt.NDArray[np.generic]] | None = None,
    *,
    payload: bytes = b"",
    codec: Codec = Codec.LZ4,
) -> bytes:
    """The header's ``columns`` are filled in here; ``payload`` follows the columns."""
    columns = columns or {}
    layout = tuple((name, array.dtype.str, array.size) for name, array in columns.items())
    body = b"".join(np.ascontiguousarray(array).tobytes() for array in columns.values()) + payload
    return _seal(BLOCK_MAGIC, _JSON.encode(header.but(columns=layout)), body, codec)


def decode_block(data: bytes) -> Block:
    """Raises CorruptMessageError for anything that is not a whole, sound block."""
    raw, body = _open(BLOCK_MAGIC, data)
    header = decode_record(raw, BlockHeader)
    columns: dict[str, npt.NDArray[np.generic]] = {}
    at = 0
    for name, dtype, count in header.columns:
        if len(dtype) != 3 or dtype[0] not in "<|" or dtype[1] not in "iuf" or count < 0:
            raise CorruptMessageError(f"column {name!r} has dtype {dtype!r} and {count} values")
        size = np.dtype(dtype).itemsize * count
        if at + size > len(body):
            raise CorruptMessageError(f"column {name!r} reaches beyond the body")
        columns[name] = np.frombuffer(body, dtype, count, at)
        at += size
    return Block(header, columns, body[at:])


def encode_frame(header: FrameHeader, lines: bytes, *, codec: Codec = Codec.LZ4) -> bytes:
    return _seal(FRAME_MAGIC, _JSON.encode(header), lines, codec)


def decode_frame(data: bytes) -> tuple[FrameHeader, list[bytes]]:
    """Header and one JSON document per record; raises CorruptMessageError."""
    raw, body = _open(FRAME_MAGIC, data)
    header = decode_record(raw, FrameHeader)
    lines = body.split(b"\n") if body else []
    if lines and not lines[-1]:
        lines.pop()
    if len(lines) != header.count:
        raise CorruptMessageError(f"frame promises {header.count} records and holds {len(lines)}")
    return header, lines


def is_block(data: bytes) -> bool:
    return data[:4] == BLOCK_MAGIC


def is_frame(data: bytes) -> bool:
    return data[:4] == FRAME_MAGIC


def _seal(magic: bytes, header: bytes, body: bytes, codec: Codec) -> bytes:
    stored = body
    match codec:
        case Codec.LZ4:
            stored = lz4.block.compress(body, store_size=False)
        case Codec.ZSTD:
            stored = zstandard.ZstdCompressor().compress(body)
        case Codec.NONE:
            pass
    rest = struct.pack("<III", len(header), len(stored), len(body)) + header + stored
    return _ENVELOPE.pack(magic, 1, codec, 0, crc32c.crc32c(rest), 0, 0, 0)[:12] + rest


def _open(magic: bytes, data: bytes) -> tuple[bytes, bytes]:
    if len(data) < _ENVELOPE.size:
        raise CorruptMessageError(f"{len(data)} bytes are too few for an envelope")
    found, version, codec, _, crc, header_size, stored_size, body_size = _ENVELOPE.unpack_from(data)
    if found != magic or version != 1:
        raise CorruptMessageError(f"magic {found!r} version {version}, expected {magic!r} 1")
    if len(data) != _ENVELOPE.size + header_size + stored_size:
        raise CorruptMessageError("length does not match the envelope")
    if body_size > MAX_BODY_BYTES:
        raise CorruptMessageError(f"body of {body_size} bytes exceeds {MAX_BODY_BYTES}")
    if crc32c.crc32c(memoryview(data)[12:]) != crc:
        raise CorruptMessageError("checksum does not match")
    header_end = _ENVELOPE.size + header_size
    stored = data[header_end:]
    return data[_ENVELOPE.size : header_end], _decompress(codec, stored, body_size)


def _decompress(codec: int, stored: bytes, body_size: int) -> bytes:
    try:
        match codec:
            case Codec.NONE:
                body = stored
            case Codec.LZ4:
                body = (
                    lz4.block.decompress(stored, uncompressed_size=body_size) if body_size else b""
                )
            case Codec.ZSTD:
                body = zstandard.ZstdDecompressor().decompress(stored, max_output_size=body_size)
            case _:
                raise CorruptMessageError(f"unknown codec {codec}")
    except (lz4.block.LZ4BlockError, zstandard.ZstdError, ValueError) as exc:
        raise CorruptMessageError(f"body does not decompress ({exc})") from exc
    if len(body) != body_size:
        raise CorruptMessageError(f"body holds {len(body)} bytes, expected {body_size}")
    return body
