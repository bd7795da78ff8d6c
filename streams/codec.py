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
MAX_FRAME_BYTES: Final = 16 * 1024 * 1024
MAX_FRAME_RECORDS: Final = 100_000
MAX_COLUMNS: Final = 1_000

_VERSION: Final = 1
_START: Final = struct.Struct("<4sBBH")
_CRC: Final = struct.Struct("<I")
_LENGTHS: Final = struct.Struct("<III")
_ENVELOPE_BYTES: Final = _START.size + _CRC.size + _LENGTHS.size
_CHECKED_FROM: Final = _START.size + _CRC.size
_LZ4_MOST: Final = 255
"""No byte of lz4 can stand for more than this many."""
_DTYPES: Final = frozenset(["|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f4", "<f8"])
_JSON: Final = msgspec.json.Encoder()


class Codec(IntEnum):
    NONE = 0
    LZ4 = 1
    ZSTD = 2


class BlockHeader(Record, frozen=True, kw_only=True):
    """What a block says of itself; columns lie in the body in the order given.

    kind: ``delta``, ``control``, ``expect``, ``give_up``, ``window``, ``anomaly``
        (``docs/schemas/envelope.md``); for tables, ``series_kind`` says of what.
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
    dictionary: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)
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
    raw, body = _open(BLOCK_MAGIC, data, MAX_BODY_BYTES)
    header = decode_record(raw, BlockHeader)
    if len(header.columns) > MAX_COLUMNS:
        raise CorruptMessageError(f"{len(header.columns)} columns, allowed are {MAX_COLUMNS}")
    columns: dict[str, npt.NDArray[np.generic]] = {}
    at = 0
    for name, dtype, count in header.columns:
        if dtype not in _DTYPES or count < 0 or name in columns:
            raise CorruptMessageError(
                f"column {name!r} comes twice or has dtype {dtype!r} and {count} values"
            )
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
    raw, body = _open(FRAME_MAGIC, data, MAX_FRAME_BYTES)
    header = decode_record(raw, FrameHeader)
    if header.count > MAX_FRAME_RECORDS:
        raise CorruptMessageError(f"{header.count} records, allowed are {MAX_FRAME_RECORDS}")
    lines = body.removesuffix(b"\n")
    held = lines.count(b"\n") + 1 if body else 0  # Counted before a list of them is made.
    if held != header.count:
        raise CorruptMessageError(f"frame promises {header.count} records and holds {held}")
    return header, lines.split(b"\n") if held else []


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
    checked = _LENGTHS.pack(len(header), len(stored), len(body)) + header + stored
    return _START.pack(magic, _VERSION, codec, 0) + _CRC.pack(crc32c.crc32c(checked)) + checked


def _open(magic: bytes, data: bytes, max_body_bytes: int) -> tuple[bytes, bytes]:
    """Header and decoded body; nothing is believed before lengths and checksum agree."""
    if len(data) < _ENVELOPE_BYTES:
        raise CorruptMessageError(f"{len(data)} bytes are too few for an envelope")
    found, version, codec, _ = _START.unpack_from(data)
    (crc,) = _CRC.unpack_from(data, _START.size)
    header_size, stored_size, body_size = _LENGTHS.unpack_from(data, _CHECKED_FROM)
    if found != magic or version != _VERSION:
        raise CorruptMessageError(
            f"magic {found!r} version {version}, expected {magic!r} {_VERSION}"
        )
    if len(data) != _ENVELOPE_BYTES + header_size + stored_size:
        raise CorruptMessageError("length does not match the envelope")
    if body_size > max_body_bytes:
        raise CorruptMessageError(f"body of {body_size} bytes, allowed are {max_body_bytes}")
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
