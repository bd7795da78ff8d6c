import asyncio

import pytest
from aiokafka.errors import MessageSizeTooLargeError, NodeNotReadyError

from streams.admin import create_topics
from streams.errors import BrokerUnavailableError
from streams.publisher import Publisher
from streams.reader import TopicReader
from streams.schemas.telemetry import Change
from streams.stage import Out
from tests.services.base import free_port
from tests.streams.toys import new_prefix, toy_settings

CHANGE = Out(
    topic="changes", key="k", value=Change(id="c", at_us=1, kind="other", summary="something")
)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Publisher:
    """In front of a port where nobody listens."""
    monkeypatch.setattr("streams.publisher.FLUSH_S", 0.01)
    monkeypatch.setattr("streams.publisher.SEND_S", 0.05)
    url = f"kafka://127.0.0.1:{free_port()}"
    return Publisher(toy_settings(url, new_prefix(), "at_least_once"), buffer=3)


@pytest.mark.broker
async def test_records_are_written_as_json(broker_url: str) -> None:
    settings = toy_settings(broker_url, new_prefix(), "at_least_once")
    await create_topics(settings)
    async with Publisher(settings) as publisher:
        await publisher.send(CHANGE)

    async with TopicReader(settings, ["changes"]) as reader:
        (message,) = await reader.poll(10)
    assert (message.key, message.value) == (
        b"k",
        b'{"id":"c","at_us":1,"kind":"other","summary":"something"}',
    )


@pytest.mark.broker
async def test_what_was_offered_is_written_before_closing(broker_url: str) -> None:
    settings = toy_settings(broker_url, new_prefix(), "at_least_once")
    await create_topics(settings)
    async with Publisher(settings) as publisher:
        await publisher.send(CHANGE)
        assert all(publisher.offer(CHANGE) for _ in range(500))

    async with TopicReader(settings, ["changes"]) as reader, asyncio.timeout(20):
        count = 0
        while not reader.caught_up.is_set():
            count += len(await reader.poll(0.5))
    assert (count, publisher.dropped) == (501, 0)


async def test_without_a_broker_offers_are_kept_up_to_the_bound_and_then_counted(
    nowhere: Publisher,
) -> None:
    async with nowhere:
        taken = [nowhere.offer(CHANGE) for _ in range(5)]
        assert (taken, nowhere.dropped) == ([True, True, True, False, False], 2)

    assert nowhere.dropped == 5


async def test_several_are_taken_whole_or_not_at_all(nowhere: Publisher) -> None:
    async with nowhere:
        assert nowhere.offer(CHANGE, CHANGE)
        assert not nowhere.offer(CHANGE, CHANGE)
        assert nowhere.dropped == 2


async def test_sending_without_a_broker_says_so(nowhere: Publisher) -> None:
    async with nowhere:
        with pytest.raises(BrokerUnavailableError, match=r"kafka://127\.0\.0\.1:\d+ unavailable"):
            await nowhere.send(CHANGE)


async def test_what_failed_for_want_of_a_broker_goes_back_into_the_buffer(
    nowhere: Publisher,
) -> None:
    async with nowhere:
        for error in (NodeNotReadyError(), MessageSizeTooLargeError()):
            failed: asyncio.Future[object] = asyncio.get_running_loop().create_future()
            failed.set_exception(error)
            nowhere._settled(CHANGE, failed)

        assert (list(nowhere._waiting), nowhere.dropped) == ([CHANGE], 1)
