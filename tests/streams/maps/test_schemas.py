"""What a registry said goes into a recording, and what is recorded needs no registry."""

from collections.abc import AsyncIterator
from pathlib import Path

from streams.batch import Message
from streams.clock import SECOND_US
from streams.maps.schemas import SCHEMAS, with_schemas
from streams.maps.settings import MapSettings, RegistrySettings
from streams.recording import RecordingWriter, read_recording
from streams.settings import StreamSettings, TopicSettings
from tests.streams.maps.registry import StandIn
from tidegate.replay.replay import replayed
from tidegate.settings import Settings

STAMP_US = 1_700_000_000 * SECOND_US + 300_000
MAP = MapSettings(
    topic="llm", format="avro", record="request",
    fields={"at": "ts|ms", "event": "=arrived", "pool": "model.name"},
)  # fmt: skip


def with_map(registry: RegistrySettings) -> StreamSettings:
    topics = TopicSettings(shards=1, raw_partitions=1)
    return StreamSettings(maps=(MAP,), registry=registry, topics=topics)


async def log(value: bytes) -> AsyncIterator[Message]:
    for offset in range(3):
        yield Message("/llm", 0, offset, STAMP_US + offset, b"", value)


async def test_a_recording_has_each_schema_once_before_the_first_that_names_it(
    avro_topic: bytes, settings: RegistrySettings
) -> None:
    found = [one async for one in with_schemas(log(avro_topic), with_map(settings))]

    assert [(one.topic, one.offset) for one in found] == [
        (SCHEMAS, 7), ("/llm", 0), ("/llm", 1), ("/llm", 2),
    ]  # fmt: skip


async def test_one_that_the_registry_does_not_know_is_asked_for_once(
    avro_topic: bytes, settings: RegistrySettings, stand_in: StandIn
) -> None:
    stand_in.schemas.clear()

    found = [one async for one in with_schemas(log(avro_topic), with_map(settings))]

    assert [one.topic for one in found] == ["/llm"] * 3
    assert stand_in.asked == ["/schemas/ids/7"]


async def test_what_was_recorded_replays_without_the_registry(
    avro_topic: bytes, settings: RegistrySettings, tmp_path: Path
) -> None:
    with RecordingWriter(tmp_path / "some.tgr") as writer:
        async for message in with_schemas(log(avro_topic), with_map(settings)):
            writer.write(message)
    alone = Settings(stream=with_map(RegistrySettings()))

    steps = replayed(read_recording(tmp_path / "some.tgr"), alone)

    windows = [line.fact for step in steps for line in step.lines if line.topic == "windows"]
    assert [(one["labels"]["pool"], one["columns"]["arrived"]) for one in windows] == [("codex", 3)]
