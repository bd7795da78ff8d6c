import asyncio
from typing import TypedDict

import msgspec
import pytest

from streams.admin import create_topics
from streams.app import create_app
from streams.clock import SECOND_US, system_clock
from streams.codec import BlockHeader, encode_block
from streams.publisher import Publisher
from streams.reader import TopicReader
from streams.schemas.telemetry import Change
from streams.settings import StreamSettings
from streams.stage import Out, Outcome
from streams.ticked import Unwritten, attach_ticked_stage
from tests.streams.toys import (
    Recollecting,
    Summing,
    new_prefix,
    often_kept,
    running,
    start,
    toy_settings,
)

LAG_US = 2 * SECOND_US


class Numbered(TypedDict):
    """What the summing stage writes for each arrival."""

    number: int
    id: str
    at_us: int


async def write(source: Publisher, numbers: range) -> None:
    """Changes from a while ago, then heartbeats whose watermark has passed them."""
    now_us = system_clock()
    changes = [
        Out(
            topic="changes",
            key="k",
            value=Change(id=str(n), at_us=now_us - LAG_US, kind="other", summary=""),
        )
        for n in numbers
    ]
    await source.send(*changes)
    heartbeats = [BlockHeader(kind="anomaly", shard=n, watermark_us=now_us) for n in range(2)]
    await source.send(
        *[
            Out(topic="anomalies", key=str(h.shard), value=encode_block(h), partition=h.shard)
            for h in heartbeats
        ]
    )


async def read_until(reader: TopicReader, found: list[Numbered], count: int) -> None:
    async with asyncio.timeout(60):
        while len(found) < count:
            messages = await reader.poll(0.5)
            found += [msgspec.json.decode(m.value or b"", type=Numbered) for m in messages]


async def made(url: str, delivery: str) -> StreamSettings:
    settings = toy_settings(url, new_prefix(), delivery)
    await create_topics(settings)
    return settings


@pytest.mark.broker
async def test_a_restart_goes_on_with_its_state_and_behind_its_inputs(broker_url: str) -> None:
    settings = await made(broker_url, "at_least_once")
    found: list[Numbered] = []
    async with TopicReader(settings, ["audit"]) as reader, Publisher(settings) as source:
        for numbers in (range(5), range(5, 8)):
            app = create_app("respond", settings)
            attach_ticked_stage(app, stage="respond", control_topic="feedback", thinker=Summing)
            async with running(app):
                await write(source, numbers)
                await read_until(reader, found, numbers.stop)

    assert [each["number"] for each in found] == list(range(1, 9))
    assert len({each["id"] for each in found}) == 8


@pytest.mark.broker
async def test_a_bad_record_is_set_aside_and_the_next_one_counted(broker_url: str) -> None:
    settings = await made(broker_url, "at_least_once")
    app = create_app("respond", settings)
    attach_ticked_stage(app, stage="respond", control_topic="feedback", thinker=Summing)
    topics = ["audit", "dead-letters"]
    async with TopicReader(settings, topics) as reader, Publisher(settings) as source:
        await source.send(Out(topic="changes", key="k", value=b"{"))
        async with running(app), asyncio.timeout(30):
            await write(source, range(1))
            written: list[str] = []
            while set(written) != set(topics):
                written += [message.topic for message in await reader.poll(0.5)]

    assert sorted(written) == ["audit", "dead-letters"]


@pytest.mark.kafka
async def test_every_arrival_is_counted_once_after_two_kills(kafka_url: str) -> None:
    settings = await made(kafka_url, "exactly_once")
    found: list[Numbered] = []
    total, worker = 0, start("summing", settings)
    try:
        async with TopicReader(settings, ["audit"]) as reader, Publisher(settings) as source:
            for kill in (True, True, False):
                for _ in range(2):
                    await write(source, range(total, total + 25))
                    total += 25
                    # All but the newest, so that a kill finds work under way.
                    await read_until(reader, found, total - 25)
                if kill:
                    worker.kill()
                    await asyncio.to_thread(worker.wait)
                    worker = start("summing", settings)
            await write(source, range(0))
            await read_until(reader, found, total)
    finally:
        worker.kill()
        await asyncio.to_thread(worker.wait)

    assert [each["number"] for each in found] == list(range(1, total + 1))
    assert len({each["id"] for each in found}) == total


async def memory_written(settings: StreamSettings) -> None:
    """Returns when a whole one stands in the state topic."""
    async with TopicReader(settings, ["state.respond"]) as reader, asyncio.timeout(30):
        while not any(
            (message.key or b"").startswith(b"memory/") and (message.key or b"").count(b"/") == 1
            for message in await reader.poll(0.5)
        ):
            pass


@pytest.mark.broker
async def test_what_is_only_known_by_heart_goes_on_after_a_restart(broker_url: str) -> None:
    settings = often_kept(await made(broker_url, "at_least_once"))
    found: list[Numbered] = []
    async with TopicReader(settings, ["audit"]) as reader, Publisher(settings) as source:
        for numbers in (range(5), range(5, 8), range(8, 9)):
            app = create_app("respond", settings)
            attach_ticked_stage(
                app, stage="respond", control_topic="feedback", thinker=Recollecting
            )
            async with running(app):
                await write(source, numbers)
                await read_until(reader, found, numbers.stop)
                await memory_written(settings)

    assert [each["number"] for each in found] == list(range(1, 10))


@pytest.mark.kafka
async def test_it_goes_on_after_kills_and_writes_nothing_twice(kafka_url: str) -> None:
    settings = often_kept(await made(kafka_url, "exactly_once"))
    found: list[Numbered] = []
    total, worker = 0, start("recollecting", settings)
    try:
        async with TopicReader(settings, ["audit"]) as reader, Publisher(settings) as source:
            for _ in range(2):
                await write(source, range(total, total + 20))
                await read_until(reader, found, total + 20)
                await memory_written(settings)
                # After the memory: only going through these again brings them back to it.
                await write(source, range(total + 20, total + 25))
                total += 25
                await read_until(reader, found, total)
                worker.kill()
                await asyncio.to_thread(worker.wait)
                worker = start("recollecting", settings)
            await write(source, range(total, total + 1))
            await read_until(reader, found, total + 1)
    finally:
        worker.kill()
        await asyncio.to_thread(worker.wait)

    assert [each["number"] for each in found] == list(range(1, total + 2))


def test_outcomes_of_several_ticks_go_out_as_one() -> None:
    first, second = (Out(topic="audit", key=key, value=b"") for key in "ab")
    unwritten = Unwritten()
    unwritten.add(Outcome(out=[first], state={"x": b"1", "y": b"1"}))
    unwritten.add(Outcome(out=[second], state={"x": None}))

    taken = unwritten.taken({"offsets": b"{}"})
    assert taken == Outcome(out=[first, second], state={"x": None, "y": b"1", "offsets": b"{}"})
    assert not unwritten
