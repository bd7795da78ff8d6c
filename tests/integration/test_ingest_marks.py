"""The marks of a source partition while other sources write to the same partition of the state."""

import asyncio

import pytest

from streams.admin import create_topics
from streams.connection import full_name, new_producer
from streams.ingest import stored_marks
from streams.intake import STATE_TOPIC
from tests.streams.toys import new_prefix, toy_settings

OFTEN_ENOUGH_S = 1.0
"""Reading that did not wait for the open transaction would be over by then."""


@pytest.mark.kafka
async def test_an_open_transaction_of_another_source_hides_no_marks(kafka_url: str) -> None:
    settings = toy_settings(kafka_url, new_prefix(), "exactly_once")
    await create_topics(settings)
    topic = full_name(settings, STATE_TOPIC)

    async def keys() -> list[bytes | None]:
        return [message.key async for message in stored_marks(settings, 0)]

    async with (
        new_producer(settings, transactional_id=f"{topic}-engine") as other,
        new_producer(settings, transactional_id=f"{topic}-requests") as ours,
    ):
        await other.begin_transaction()
        await other.send_and_wait(topic, b"", key=b"engine/0", partition=0)
        async with ours.transaction():
            await ours.send_and_wait(topic, b"", key=b"requests/0", partition=0)
        reading = asyncio.create_task(keys())
        await asyncio.wait([reading], timeout=OFTEN_ENOUGH_S)
        await other.commit_transaction()
        assert await reading == [b"engine/0", b"requests/0"]
