"""Everything through TLS and a login, and what is said of a door that stays shut."""

import asyncio
from typing import Any

import pytest
from pydantic import SecretStr

import autoscaler.stage
import streams.ingest
from autoscaler.settings import ScalingSettings
from model_backend.settings import BackendSettings
from streams import connection
from streams.admin import check_topics, create_topics
from streams.app import create_app
from streams.clock import system_clock
from streams.codec import encode_record
from streams.errors import BrokerUnavailableError
from streams.publisher import Publisher
from streams.reader import TopicReader
from streams.settings import StreamSettings
from streams.stage import Out
from tests.services.kafka import PASSWORD, Kafka
from tests.streams.samples import request
from tests.streams.toys import new_prefix, running, toy_settings
from tidegate.cli import main

pytestmark = pytest.mark.kafka

WRONG = "not-the-password"


def secured(kafka: Kafka, prefix: str, **but: Any) -> StreamSettings:
    """Logged in as `admin` through SASL over TLS."""
    settings = toy_settings(kafka.login_url, prefix, "exactly_once")
    usual: dict[str, Any] = {
        "security": "sasl_ssl",
        "username": "admin",
        "password": SecretStr(PASSWORD),
        "ca_file": str(kafka.certificates.authority),
    }
    broker = settings.broker.model_copy(update=usual | but)
    return settings.model_copy(update={"broker": broker})


def event() -> Out:
    value = encode_record(request(at_us=system_clock()))
    return Out(topic="requests", key="k", value=value)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
async def test_topics_are_made_written_and_read(kafka: Kafka, mechanism: str) -> None:
    settings = secured(kafka, new_prefix(), sasl_mechanism=mechanism)
    await create_topics(settings)
    assert await check_topics(settings) == []

    async with Publisher(settings) as publisher, TopicReader(settings, ["requests"]) as reader:
        await publisher.send(event())
        async with asyncio.timeout(10):
            while not await reader.poll(0.5):
                pass


async def test_a_certificate_of_our_own_opens_too(kafka: Kafka) -> None:
    operator = str(kafka.certificates.operator)
    settings = secured(
        kafka, new_prefix(), url=kafka.mutual_url, security="ssl", username="", cert_file=operator
    )
    await create_topics(settings)

    assert await check_topics(settings) == []


async def test_a_log_stage_and_a_ticked_stage_work(kafka: Kafka) -> None:
    settings = secured(kafka, new_prefix())
    await create_topics(settings)
    ingest, plan = create_app("ingest", settings), create_app("plan", settings)
    streams.ingest.attach(ingest, settings)
    autoscaler.stage.attach(plan, ScalingSettings(), BackendSettings(), settings)

    written: set[str] = set()
    reading = TopicReader(settings, ["partials", "state.plan"])
    async with running(ingest), running(plan), asyncio.timeout(60), reading as reader:
        while written != {"partials", "state.plan"}:
            written |= {message.topic for message in await reader.poll(0.5)}


CLOSED = {
    "wrong-password": ({"password": WRONG}, "login refused: wrong username or password"),
    "wrong-mechanism": ({"sasl_mechanism": "SCRAM-SHA-256"}, "no SCRAM-SHA-256 here"),
    "untrusted-certificate": ({"ca_file": ""}, "certificate is not trusted: unable to get local"),
    "wrong-host-name": ({"url": "localhost"}, "not valid for 'localhost'"),
    "tls-to-a-plaintext-port": ({"url": "plain"}, "hung up on TLS: is this listener without it?"),
    "plaintext-to-a-tls-port": ({"security": "plaintext"}, "this listener speaks TLS"),
    "no-login-where-one-is-asked": ({"security": "ssl"}, "does this listener ask for a login"),
    "no-certificate": ({"url": "mutual", "security": "ssl"}, "it wants a certificate it trusts"),
    "a-login-nobody-asked-for": (
        {"url": "plain", "security": "sasl_plaintext"},
        "login refused: this listener asks for none",
    ),
}


@pytest.fixture(params=CLOSED)
def said(request: pytest.FixtureRequest, kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> str:
    """Settings in the environment that the broker will not have; what is to be said of them."""
    but, said = CLOSED[request.param]
    doors = {
        "": kafka.login_url,
        "localhost": f"kafka://localhost:{kafka.login}",
        "plain": kafka.url,
        "mutual": kafka.mutual_url,
    }
    usual = {
        "security": "sasl_ssl",
        "username": "admin",
        "password": PASSWORD,
        "ca_file": str(kafka.certificates.authority),
    }
    broker = usual | but | {"url": doors[but.get("url", "")]}
    for name, value in broker.items():
        monkeypatch.setenv(f"TIDEGATE_STREAM__BROKER__{name.upper()}", value)
    monkeypatch.setattr(connection, "PATIENCE_S", 1.0)
    return said


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["topics", "check"], id="topics"),
        pytest.param(["topics", "create"], id="create"),
        pytest.param(["worker", "--stages", "ingest"], id="log-stage"),
        pytest.param(["worker", "--stages", "respond"], id="ticked-stage"),
    ],
)
def test_a_shut_door_is_one_sentence(
    said: str, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 1

    out, err = capsys.readouterr()
    assert out == ""
    (sentence,) = err.splitlines()
    assert said in sentence
    assert not any(secret in sentence for secret in (PASSWORD, WRONG))


def test_the_doctor_says_so_too(said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 1

    out, err = capsys.readouterr()
    assert said in out
    assert not any(secret in out + err for secret in (PASSWORD, WRONG))


async def test_a_publisher_says_why_it_waits(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.publisher.SEND_S", 2.0)
    settings = secured(kafka, new_prefix(), password=SecretStr(WRONG))

    async with Publisher(settings) as publisher:
        with pytest.raises(BrokerUnavailableError, match="wrong username or password") as raised:
            await publisher.send(event())
    assert WRONG not in str(raised.value)
