"""Topics of a broker into a recording; its replay is that of the topics themselves."""

from pathlib import Path

import pytest

from streams.admin import create_topics
from streams.clock import system_clock
from streams.codec import encode_record
from streams.publisher import Publisher
from streams.recording import read_recording
from streams.settings import StreamSettings
from streams.stage import Out
from tests.streams import samples
from tests.streams.toys import new_prefix, toy_settings
from tidegate.replay.run import FOREVER_US, Options, record, replay
from tidegate.settings import Settings

EVENTS = 40


@pytest.fixture(
    params=[
        pytest.param("broker_url", marks=pytest.mark.broker),
        pytest.param("kafka_url", marks=pytest.mark.kafka),
    ]
)
async def stream(request: pytest.FixtureRequest) -> StreamSettings:
    delivery = "exactly_once" if request.param == "kafka_url" else "at_least_once"
    url = request.getfixturevalue(request.param)
    settings = toy_settings(url, new_prefix(), delivery, raw_partitions=2)
    await create_topics(settings)
    async with Publisher(settings) as publisher:
        for number in range(EVENTS):
            value = encode_record(samples.request(at_us=system_clock()))
            out = Out(topic="requests", key="", value=value, partition=number % 2)
            await publisher.send(out)
    return settings


async def test_a_file_and_the_topics_it_was_copied_from_give_the_same_lines(
    stream: StreamSettings, tmp_path: Path
) -> None:
    file, settings = tmp_path / "some.tgr", Settings(stream=stream)
    assert await record(file, stream, from_us=0, until_us=FOREVER_US) == EVENTS
    outs = [tmp_path / "file.jsonl", tmp_path / "topics.jsonl", tmp_path / "topic.jsonl"]
    prefix = stream.topics.prefix
    for source, out in zip([str(file), prefix, f"{prefix}requests"], outs, strict=True):
        await replay(Options(source=source, out=str(out)), settings)
    first, *others = [out.read_bytes() for out in outs]
    assert first.count(b'"arrived":') >= 1
    assert others == [first, first]


async def test_a_span_is_copied_from_where_it_begins(
    stream: StreamSettings, tmp_path: Path
) -> None:
    file = tmp_path / "all.tgr"
    await record(file, stream, from_us=0, until_us=FOREVER_US)
    stamps = [message.timestamp_us for message in read_recording(file)]
    middle = stamps[EVENTS // 2]
    await record(tmp_path / "half.tgr", stream, from_us=middle, until_us=FOREVER_US)
    half = [message.timestamp_us for message in read_recording(tmp_path / "half.tgr")]
    assert half == [stamp for stamp in stamps if stamp >= middle]
