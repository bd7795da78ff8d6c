from pathlib import Path

import msgspec
import pytest

from streams.batch import Message, RecordBatch
from streams.codec import BlockHeader, FrameHeader, encode_block, encode_frame, encode_record
from streams.errors import InvalidParameterError
from streams.schemas.incidents import Incident, Subject
from streams.schemas.scaling import PoolStatus, ReplicaStatus
from streams.schemas.system import DeadLetter
from streams.schemas.telemetry import Change, EngineSample
from streams.settings import SinkSettings
from streams.sinks.base import Point
from streams.sinks.embedded import EmbeddedSink
from streams.sinks.jsonl import read_jsonl
from streams.sinks.stage import SINK_TOPICS, SinkHandler, message_points, open_deliveries
from streams.topics import TOPICS
from streams.windows.blocks import encode_table
from streams.windows.delta import to_table

CHANGE = Change(id="c1", at_us=5, kind="scaled", summary="2 to 3", pool="codex")
INCIDENT = Incident(
    id="INC-1", state="open", severity="critical", cluster="local", pool="codex", title="frozen",
    subject=Subject(kind="replica", name="codex-2"), started_at_us=1, opened_at_us=1,
    updated_at_us=1, causes=(),
)  # fmt: skip


def message(
    topic: str, value: bytes | msgspec.Struct | None, key: bytes = b"", offset: int = 0
) -> Message:
    data = encode_record(value) if isinstance(value, msgspec.Struct) else value
    return Message(topic, 0, offset, 1_000, key, data)


def window_block(*, provisional: bool) -> bytes:
    samples = [EngineSample(at_us=1_000_000, pool="p", replica="r", up=1.0)]
    header = BlockHeader(kind="window", shard=0, provisional=provisional)
    table = to_table("engine", samples, interval_us=1_000_000)
    return encode_table(table, header, max_bytes=900_000)[0]


def batch(*messages: Message) -> RecordBatch:
    return RecordBatch("incidents", 0, 0, len(messages), messages)


def measurements(one: Message) -> list[str]:
    return [point.measurement for point in message_points(one)]


def test_final_windows_are_kept_and_provisional_ones_are_not() -> None:
    assert measurements(message("windows", window_block(provisional=False))) == ["window_engine"]
    assert measurements(message("windows", window_block(provisional=True))) == []


@pytest.mark.parametrize("topic", ["windows", "anomalies"])
def test_a_heartbeat_says_nothing(topic: str) -> None:
    assert message_points(message(topic, encode_block(BlockHeader(kind="window", shard=0)))) == []


def test_pools_and_replicas_are_told_apart_by_their_key() -> None:
    pool = PoolStatus(pool="p", service="s", model="m", at_us=1, desired=1, ready=1)
    replica = ReplicaStatus(pool="p", replica="r", state="ready", since_us=1, at_us=1)
    assert measurements(message("pools", pool, b"local/p")) == ["pool"]
    assert measurements(message("pools", replica, b"local/p/r")) == ["replica"]


def test_a_tombstone_says_nothing() -> None:
    assert message_points(message("pools", None, b"local/p")) == []


def test_changes_may_come_in_frames() -> None:
    lines = encode_record(CHANGE) + b"\n" + encode_record(CHANGE.but(id="c2"))
    frame = encode_frame(FrameHeader(producer="ci", boot="b", sequence=1, count=2), lines)
    assert measurements(message("changes", frame)) == ["change", "change"]


def test_every_topic_it_reads_exists() -> None:
    assert set(SINK_TOPICS) <= set(TOPICS)


async def test_a_bad_message_becomes_a_dead_letter_and_the_rest_is_written(tmp_path: Path) -> None:
    path = tmp_path / "points.sqlite"
    deliveries = open_deliveries(SinkSettings(embedded_path=str(path)))
    out = await SinkHandler(deliveries).handle(
        batch(
            message("incidents", b"{not json", offset=4),
            message("incidents", INCIDENT, offset=5),
        )
    )
    await deliveries[0].close()
    (letter,) = [one.value for one in out if isinstance(one.value, DeadLetter)]
    assert (letter.topic, letter.offset, letter.reason) == ("incidents", 4, "corrupt_frame")
    sink = EmbeddedSink(path, retention_s=1e9, max_bytes=10**9)
    assert [point.fields["title"] for point in sink.read("incident")] == ["frozen"]
    sink.close()


async def stored(folder: Path, *batches: RecordBatch) -> tuple[list[Point], list[Point]]:
    """What the SQLite file and the file of JSON lines hold after these batches."""
    files = folder / "points.sqlite", folder / "points.jsonl"
    deliveries = open_deliveries(
        SinkSettings(embedded_path=str(files[0]), jsonl_path=str(files[1]))
    )
    for one in batches:
        await SinkHandler(deliveries).handle(one)
    for delivery in deliveries:
        await delivery.close()
    sink = EmbeddedSink(files[0], retention_s=1e9, max_bytes=10**9)
    found = [point for kind in ("window_engine", "incident") for point in sink.read(kind)]
    sink.close()
    return found, read_jsonl(files[1])


async def test_an_owner_that_begins_again_from_before_leaves_the_same_behind(
    tmp_path: Path,
) -> None:
    resolved = INCIDENT.but(state="resolved", updated_at_us=9, resolved_at_us=9)
    log = [
        message("windows", window_block(provisional=False), offset=0),
        message("incidents", INCIDENT, offset=1),
        message("incidents", resolved, offset=2),
    ]
    for folder in ("once", "again"):
        (tmp_path / folder).mkdir()

    once = await stored(tmp_path / "once", batch(*log))
    again = await stored(tmp_path / "again", batch(*log), batch(*log[:2]), batch(*log[2:]))

    assert again == once


def test_a_sink_stage_without_a_sink_says_so() -> None:
    with pytest.raises(InvalidParameterError, match="at least one sink"):
        open_deliveries(SinkSettings())
