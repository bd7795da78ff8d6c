"""A state <-> chunks and a manifest; which snapshot a restart may use, and why not another.

A snapshot is one block (``streams.codec``) cut into chunks. It stands in a compacted topic: chunk n
under the key `id/n`, then, once all are written, the manifest under `id`.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import crc32c
import numpy as np

from streams.batch import Message
from streams.codec import BlockHeader, Codec, decode_block, decode_record, encode_block
from streams.errors import CorruptMessageError, SnapshotError
from streams.schemas.system import SnapshotManifest

MAX_STATE_BYTES: Final = 256 * 1024 * 1024
"""A larger state is not written; a restart then replays."""
MAX_CHUNKS: Final = 4_096


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A manifest and its chunks, by key and in order."""

    manifest: SnapshotManifest
    chunks: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a state covers: the log before ``offset``, up to and with its last message."""

    offset: int
    code: str
    last_offset: int = 0
    last_at_us: int = 0
    partition: int = 0
    meaning: str = ""


def snapshot_of(state: bytes, taken: Taken, *, chunk_bytes: int) -> Snapshot:
    """Raises SnapshotError for a state that is too large."""
    if len(state) > MAX_STATE_BYTES:
        raise SnapshotError(f"state of {len(state)} bytes, allowed are {MAX_STATE_BYTES}")
    header = BlockHeader(kind="snapshot", shard=taken.partition, next_offset=taken.offset)
    block = encode_block(header, payload=state, codec=Codec.ZSTD)
    crc = crc32c.crc32c(block)
    name = f"{taken.offset}-{crc:08x}"
    starts = range(0, len(block), chunk_bytes)
    chunks = {f"{name}/{n}": block[at : at + chunk_bytes] for n, at in enumerate(starts, 1)}
    manifest = SnapshotManifest(
        id=name,
        offset=taken.offset,
        last_offset=taken.last_offset,
        last_at_us=taken.last_at_us,
        chunks=len(chunks),
        size_bytes=len(block),
        crc32c=crc,
        meaning=taken.meaning,
        code=taken.code,
        numpy=np.__version__,
    )
    return Snapshot(manifest, chunks)


def newest_values(messages: Iterable[Message]) -> dict[str, bytes]:
    """Key -> value of what stands in the topic; what has a tombstone is left out."""
    found: dict[str, bytes] = {}
    for message in messages:
        key = (message.key or b"").decode(errors="replace")
        found.pop(key, None)
        if message.value is not None:
            found[key] = message.value
    return found


def manifests(values: Mapping[str, bytes]) -> list[SnapshotManifest]:
    """Those that can be read, newest first."""
    found = []
    for key, value in values.items():
        if "/" not in key:
            with suppress(CorruptMessageError):
                found.append(decode_record(value, SnapshotManifest))
    return sorted(found, key=lambda manifest: manifest.offset, reverse=True)


def missing_chunks(manifest: SnapshotManifest, values: Mapping[str, bytes]) -> int:
    return sum(f"{manifest.id}/{n + 1}" not in values for n in range(manifest.chunks))


def state_of(manifest: SnapshotManifest, values: Mapping[str, bytes]) -> bytes:
    """Raises SnapshotError unless all of it is there, as it was written."""
    if missing := missing_chunks(manifest, values):
        raise SnapshotError(f"{missing} of {manifest.chunks} chunks are missing")
    block = b"".join(values[f"{manifest.id}/{n + 1}"] for n in range(manifest.chunks))
    if len(block) != manifest.size_bytes or crc32c.crc32c(block) != manifest.crc32c:
        raise SnapshotError("size or checksum does not match the manifest")
    try:
        return decode_block(block, max_body_bytes=MAX_STATE_BYTES).payload
    except CorruptMessageError as exc:
        raise SnapshotError(str(exc)) from exc


def check_manifest(manifest: SnapshotManifest, *, begin: int, committed: int, meaning: str) -> None:
    """Raises SnapshotError with the reason why this one must not be used.

    begin: first offset that the log still has. committed: where processing goes on.
    """
    offset = manifest.offset
    if offset > committed:
        raise SnapshotError(f"covers offset {offset}, committed is only {committed}")
    if offset < begin:
        raise SnapshotError(f"covers offset {offset}, the log begins at {begin}")
    if not 0 < manifest.chunks <= MAX_CHUNKS:
        raise SnapshotError(f"{manifest.chunks} chunks, allowed are 1 to {MAX_CHUNKS}")
    if manifest.meaning != meaning:
        raise SnapshotError("was taken under other settings")
    if _major(manifest.numpy) != _major(np.__version__):
        raise SnapshotError(f"was written with numpy {manifest.numpy}, this is {np.__version__}")


def _major(numbers: str) -> str:
    return numbers.partition(".")[0]
