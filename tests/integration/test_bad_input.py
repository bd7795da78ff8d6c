"""Bad records from an independent client, kafka-python: dead letters with reason and place."""

import asyncio
import json
from typing import Any

import pytest
from kafka import KafkaProducer

from streams.admin import create_topics
from streams.app import create_app
from streams.clock import system_clock
from streams.codec import decode_record
from streams.ingest import attach
from streams.reader import TopicReader
from streams.schemas.system import DeadLetter
from streams.settings import StreamSettings
from tests.integration.test_ingest import arrivals
from tests.streams.toys import new_prefix, running, toy_settings


def event(**but: Any) -> bytes:
    usual = {"kind": "arrived", "at_us": system_clock(), "pool": "codex", "request_id": "r"}
    return json.dumps(usual | but).encode()


LARGEST = 900_000


def bad_records() -> list[tuple[bytes, str]]:
    without_pool = json.loads(event())
    del without_pool["pool"]
    return [
        (b"moon", "not_json"),
        (json.dumps(without_pool).encode(), "missing_field"),
        (event(prompt_tokens="many"), "wrong_type"),
        (event(kind="finished", ttft_s=float("nan")), "not_finite"),
        (event(at_us=system_clock() + 3_600_000_000), "far_future"),
        (event(request_id="x" * LARGEST)[:-1], "not_json"),
    ]


@pytest.fixture(
    params=[
        pytest.param("broker_url", marks=pytest.mark.broker),
        pytest.param("kafka_url", marks=pytest.mark.kafka),
    ]
)
async def settings(request: pytest.FixtureRequest) -> StreamSettings:
    delivery = "exactly_once" if request.param == "kafka_url" else "at_least_once"
    settings = toy_settings(request.getfixturevalue(request.param), new_prefix(), delivery)
    await create_topics(settings)
    return settings


def produce(settings: StreamSettings, values: list[bytes]) -> None:
    """As a service without any code of ours would."""
    producer = KafkaProducer(
        bootstrap_servers=settings.broker.bootstrap,
        enable_idempotence=settings.broker.delivery == "exactly_once",
        max_request_size=2 * LARGEST,
    )
    topic = f"{settings.topics.prefix}requests"
    for value in values:
        producer.send(topic, value=value, partition=0)
    producer.flush(30)
    producer.close()


async def test_every_bad_record_is_set_aside_and_its_neighbours_count(
    settings: StreamSettings,
) -> None:
    bad = bad_records()
    sent = [value for wrong, _ in bad for value in (wrong, event())]
    await asyncio.to_thread(produce, settings, sent)
    app = create_app("ingest", settings)
    attach(app, settings)

    letters: list[DeadLetter] = []
    good = 0
    topics = ["partials", "dead-letters"]
    async with running(app), asyncio.timeout(60), TopicReader(settings, topics) as reader:
        while len(letters) < len(bad) or good < len(bad):
            for message in await reader.poll(0.5):
                good += arrivals(message)
                if message.topic == "dead-letters":
                    letters.append(decode_record(message.value or b"", DeadLetter))

    assert good == len(bad)
    found = [(letter.offset, letter.reason) for letter in sorted(letters, key=lambda x: x.offset)]
    assert found == [(2 * at, reason) for at, (_, reason) in enumerate(bad)]
    assert all(len(letter.head) <= 4096 and letter.sha256 for letter in letters)
