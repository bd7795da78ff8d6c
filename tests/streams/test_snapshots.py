"""A state cut into chunks under a manifest, put together again, and what makes it of no use."""

import dataclasses

import numpy as np
import pytest

from streams.batch import Message
from streams.codec import BlockHeader, encode_block, encode_record
from streams.errors import SnapshotError
from streams.schemas.system import SnapshotManifest
from streams.snapshots import (
    MAX_CHUNKS,
    MAX_STATE_BYTES,
    Snapshot,
    Taken,
    check_manifest,
    manifests,
    newest_values,
    snapshot_of,
    state_of,
)

TAKEN = Taken(
    offset=100, last_offset=98, last_at_us=7_000, partition=3, meaning="settings", code="0.1.0"
)
STATE = np.random.default_rng(1).bytes(10_000)


def cut(state: bytes = STATE, **but: object) -> Snapshot:
    taken = dataclasses.replace(TAKEN, **but)  # type: ignore[arg-type]
    return snapshot_of(state, taken, chunk_bytes=3_000)


def stored(snapshot: Snapshot) -> dict[str, bytes]:
    return {**snapshot.chunks, snapshot.manifest.id: encode_record(snapshot.manifest)}


def messages(*entries: tuple[str, bytes | None]) -> list[Message]:
    return [
        Message("snapshots.watch", 3, offset, 0, key.encode(), value)
        for offset, (key, value) in enumerate(entries)
    ]


def test_a_state_comes_back_from_its_chunks() -> None:
    snapshot = cut()
    assert [len(chunk) <= 3_000 for chunk in snapshot.chunks.values()] == [True] * 4
    assert state_of(snapshot.manifest, stored(snapshot)) == STATE


def test_the_same_state_has_the_same_id_and_another_has_another() -> None:
    assert cut().manifest.id == cut().manifest.id
    assert cut().manifest.id != cut(STATE[1:]).manifest.id
    assert cut().manifest.id != cut(offset=101).manifest.id


def test_of_two_values_under_a_key_the_newer_counts_and_a_tombstone_ends_both() -> None:
    values = newest_values(messages(("a", b"1"), ("b", b"2"), ("a", b"3"), ("b", None)))
    assert values == {"a": b"3"}


def test_manifests_come_newest_first_and_what_is_none_is_passed_over() -> None:
    old, new = cut(offset=20), cut(offset=100)
    values = {"x": b"not one", **stored(new), **stored(old)}
    assert [one.offset for one in manifests(values)] == [100, 20]


@pytest.mark.parametrize("torn", [1, 4])
def test_a_snapshot_that_lacks_a_chunk_is_of_no_use(torn: int) -> None:
    snapshot = cut()
    values = stored(snapshot)
    del values[f"{snapshot.manifest.id}/{torn}"]
    with pytest.raises(SnapshotError, match="1 of 4 chunks are missing"):
        state_of(snapshot.manifest, values)


@pytest.mark.parametrize("at", [0, 12, 2_999])
@pytest.mark.parametrize("chunk", [1, 2, 4])
def test_one_changed_byte_is_noticed(chunk: int, at: int) -> None:
    snapshot = cut()
    values = stored(snapshot)
    key = f"{snapshot.manifest.id}/{chunk}"
    damaged = bytearray(values[key])
    damaged[at % len(damaged)] ^= 1
    with pytest.raises(SnapshotError, match="checksum"):
        state_of(snapshot.manifest, values | {key: bytes(damaged)})


def test_chunks_of_a_longer_state_under_the_same_id_are_noticed() -> None:
    snapshot = cut()
    key = f"{snapshot.manifest.id}/4"
    with pytest.raises(SnapshotError, match="size"):
        state_of(snapshot.manifest, stored(snapshot) | {key: snapshot.chunks[key] + b"x"})


def test_a_block_that_would_decode_to_more_than_allowed_is_not_decoded() -> None:
    block = bytearray(encode_block(BlockHeader(kind="snapshot", shard=0), payload=b"x"))
    block[20:24] = (MAX_STATE_BYTES + 1).to_bytes(4, "little")
    snapshot = cut()
    manifest = snapshot.manifest.but(chunks=1, size_bytes=len(block), crc32c=crc(bytes(block)))
    with pytest.raises(SnapshotError, match="allowed are"):
        state_of(manifest, {f"{manifest.id}/1": bytes(block)})


def crc(data: bytes) -> int:
    import crc32c

    value: int = crc32c.crc32c(data)
    return value


def test_a_state_that_is_too_large_is_not_cut() -> None:
    with pytest.raises(SnapshotError, match="allowed are"):
        cut(bytes(MAX_STATE_BYTES + 1))


def manifest(**but: object) -> SnapshotManifest:
    return cut().manifest.but(**but)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        pytest.param(manifest(offset=151), "committed is only 150", id="from-a-run-that-failed"),
        pytest.param(manifest(offset=9), "the log begins at 10", id="before-the-log"),
        pytest.param(manifest(meaning="others"), "other settings", id="other-settings"),
        pytest.param(manifest(numpy="3.0.1"), r"numpy 3\.0\.1", id="another-numpy"),
        pytest.param(manifest(chunks=0), "chunks", id="no-chunks"),
        pytest.param(manifest(chunks=MAX_CHUNKS + 1), "chunks", id="too-many-chunks"),
    ],
)
def test_a_snapshot_of_no_use_says_why(found: SnapshotManifest, reason: str) -> None:
    with pytest.raises(SnapshotError, match=reason):
        check_manifest(found, begin=10, committed=150, meaning="settings")


@pytest.mark.parametrize("offset", [10, 150])
def test_the_ends_of_the_log_belong_to_it(offset: int) -> None:
    check_manifest(manifest(offset=offset), begin=10, committed=150, meaning="settings")


def test_another_patch_of_numpy_does_not_matter() -> None:
    minor = f"{np.__version__.partition('.')[0]}.99.0"
    check_manifest(manifest(numpy=minor), begin=10, committed=150, meaning="settings")
