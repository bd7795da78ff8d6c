"""Record <-> JSON bytes, block and frame <-> bytes.

A frame (many raw records of a producer) and a block (columns of an interval) share one envelope
(``streams.envelope``). Frames whose body is columns: ``streams.frames``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from streams.envelope import MAX_BODY_BYTES, Codec, Envelope, seal, unseal
from streams.errors import CorruptMessageError
from streams.schemas.base import Record

__all__ = [
    "MAX_BODY_BYTES", "MAX_FRAME_RECORDS", "Block", "BlockHeader", "Codec", "FrameHeader",
    "decode_block", "decode_frame", "decode_record", "encode_block", "encode_frame",
    "encode_record", "is_block", "is_frame",
]  # fmt: skip

R = TypeVar("R", bound=msgspec.Struct)

BLOCK_MAGIC: Final = b"TGB1"
FRAME_MAGIC: Final = b"TGF1"
MAX_FRAME_BYTES: Final = 16 * 1024 * 1024
MAX_FRAME_RECORDS: Final = 100_000
MAX_COLUMNS: Final = 1_000

_BLOCK: Final = Envelope(BLOCK_MAGIC, 1, MAX_BODY_BYTES)
_LINES: Final = Envelope(FRAME_MAGIC, 1, MAX_FRAME_BYTES)
_DTYPES: Final = frozenset(["|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f4", "<f8"])
_JSON: Final = msgspec.json.Encoder()


class BlockHeader(Record, frozen=True, kw_only=True):
    """What a block says of itself; columns lie in the body in the order given.

    kind: ``delta``, ``control``, ``expect``, ``give_up``, ``window``, ``anomaly``, ``snapshot``
        (``docs/schemas/envelope.md``); for tables, ``series_kind`` says of what.
    Progress of a source counts only with part n of n. A block without rows is a heartbeat.
    """

    kind: str
    series_kind: str = ""
    schema: int = 1
    shard: int
    source: str = ""
    """Topic it was made from; of windows and anomalies the edge site, empty for WATCH's own."""
    partition: int = 0
    from_offset: int = 0
    next_offset: int = 0
    """Of what it was made from: how far that had been read; WATCH says it with anomalies."""
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
    """Many raw records of one producer in one message; body: JSON lines, or columns.

    (producer, boot, sequence) identifies the frame: a repeated one is recognised.
    """

    producer: str
    boot: str
    sequence: int
    count: int
    columns: tuple[tuple[str, str], ...] = ()
    """(name, numpy dtype such as ``<i8``) of columns, each of ``count`` values."""
    texts: dict[str, list[str]] = msgspec.field(default_factory=dict)
    """Column of texts -> the texts that its numbers stand for."""
    number: int = 0
    """Of the boot's frames for this topic, counted from 1: where one is missing, it was lost on the
    way to the log. 0: the producer does not count."""


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
    return seal(_BLOCK, _JSON.encode(header.but(columns=layout)), body, codec)


def decode_block(data: bytes, *, max_body_bytes: int = MAX_BODY_BYTES) -> Block:
    """Raises CorruptMessageError for anything that is not a whole, sound block."""
    raw, body = unseal(replace(_BLOCK, max_body_bytes=max_body_bytes), data)
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
    return seal(_LINES, _JSON.encode(header), lines, codec)


def decode_frame(data: bytes) -> tuple[FrameHeader, list[bytes]]:
    """Header and one JSON document per record; raises CorruptMessageError."""
    raw, body = unseal(_LINES, data)
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
