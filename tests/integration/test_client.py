"""The client against a real Kafka and INGEST: windows hold what was said, once."""

import asyncio
import logging
from typing import Any

import pytest
from tidegate_client import Client

from streams.admin import create_topics
from streams.ordered import read_ordered
from streams.reader import TopicReader
from streams.settings import StreamSettings
from tests.clients.cutting import CuttingProxy
from tests.clients.ingested import ingested
from tests.services import Kafka
from tests.services.kafka import PASSWORD
from tests.streams.toys import new_prefix, toy_settings

REQUESTS = 1_200


def client_of(settings: StreamSettings, **more: Any) -> Client:
    return Client(broker=settings.broker.url, prefix=settings.topics.prefix, **more)


def talk(client: Client) -> None:
    """Of a hundred requests one is cancelled, one fails, and the rest get three tokens."""
    for number in range(REQUESTS):
        with client.request(pool="chat", tenant=f"t{number % 3}", prompt_tokens=2) as request:
            request.first_token()
            match number % 100:
                case 0:
                    request.cancelled()
                case 1:
                    request.failed(503)
                case _:
                    request.finished(output_tokens=3)


def said() -> dict[str, int]:
    """The sums that come of it."""
    each = REQUESTS // 100
    return {
        "arrived": REQUESTS,
        "finished": 98 * each,
        "failed": each,
        "cancelled": each,
        "prompt_tokens": 2 * REQUESTS,
        "output_tokens": 3 * 98 * each,
    }


@pytest.mark.broker
async def test_windows_hold_what_was_said(broker_url: str) -> None:
    settings = toy_settings(broker_url, new_prefix(), "at_least_once", raw_partitions=3)
    await create_topics(settings)
    client = client_of(settings)
    await asyncio.to_thread(talk, client)
    assert await client.aclose(20.0)

    assert client.counters.sent == 2 * REQUESTS
    assert await ingested(settings, REQUESTS) == (said(), 0)


@pytest.mark.kafka
async def test_frames_whose_answer_was_lost_count_once(kafka_url: str) -> None:
    settings = toy_settings(kafka_url, new_prefix(), "exactly_once", raw_partitions=2)
    await create_topics(settings)
    # A broker that does not lead a new topic yet answers with an error, which may well get lost.
    async with TopicReader(settings, ["requests"]):
        pass
    proxy = CuttingProxy(cuts=2)
    # Without retries of its own kafka-python leaves them to us, and to another producer.
    kafka = {"proxy_url": proxy.url, "retries": 0}
    client = client_of(settings, kafka=kafka, batch_records=100)
    await asyncio.to_thread(talk, client)
    assert await client.aclose(40.0)
    proxy.close()

    messages = [message async for message in read_ordered(settings, ["requests"])]
    assert len(messages) > len({message.value for message in messages}) == client.counters.frames
    assert proxy.cuts == 0
    assert client.counters.failures
    assert await ingested(settings, REQUESTS) == (said(), 0)


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("password", "sent"),
    [pytest.param(PASSWORD, 1, id="right"), pytest.param("close-sesame", 0, id="wrong")],
)
async def test_a_login_over_tls(
    kafka: Kafka, password: str, sent: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)  # Another test may have asked for errors only.
    settings = toy_settings(kafka.url, new_prefix(), "exactly_once", raw_partitions=1)
    await create_topics(settings)
    client = Client(
        broker=kafka.login_url, prefix=settings.topics.prefix, security="sasl_ssl",
        username="admin", password=password, ca_file=str(kafka.certificates.authority),
        kafka={"bootstrap_timeout_ms": 2_000},
    )  # fmt: skip
    client.request(pool="chat")
    await client.aclose(6.0)

    assert client.counters.sent == sent
    assert password not in caplog.text
    assert sent or "are user name and password right?" in caplog.text
