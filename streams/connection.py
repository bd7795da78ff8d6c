"""Broker settings in, Kafka clients out: the one place that knows address and credentials."""

import asyncio
from collections.abc import Collection, Iterable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from aiokafka.protocol.metadata import MetadataRequest

from streams.errors import BrokerRefusedError, BrokerUnavailableError
from streams.refusal import NOBODY, Refusal, refusal
from streams.settings import BrokerSettings, StreamSettings
from streams.tls import client_tls
from streams.topics import is_foreign

PATIENCE_S: Final = 20.0
"""How long a starting process waits for a broker that does not answer yet."""

KNOCK_S: Final = 5.0
REQUEST_TIMEOUT_MS: Final = 20_000
METADATA_MAX_AGE_MS: Final = 10_000
RETRY_BACKOFF_MS: Final = 10
"""aiokafka waits this long between the steps of a transaction too: its default of 100 ms made the
95th percentile of a commit 110 ms, 10 ms made it 17 ms."""


def client_options(broker: BrokerSettings) -> dict[str, Any]:
    """Arguments that every aiokafka client takes: where the broker is and how to log in."""
    options: dict[str, Any] = {
        "bootstrap_servers": broker.bootstrap.split(","),
        "security_protocol": broker.security.upper(),
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
        "metadata_max_age_ms": METADATA_MAX_AGE_MS,
        "retry_backoff_ms": RETRY_BACKOFF_MS,
    }
    if broker.security.endswith("ssl"):
        options["ssl_context"] = client_tls(
            "broker",
            ca_file=broker.ca_file,
            cert_file=broker.cert_file,
            key_file=broker.key_file,
        )
    if broker.security.startswith("sasl"):
        options["sasl_mechanism"] = broker.sasl_mechanism
        options["sasl_plain_username"] = broker.username
        options["sasl_plain_password"] = broker.password.get_secret_value()
    return options


def fetch_wait_ms(broker: BrokerSettings) -> int:
    """How long the broker may keep a fetch that finds nothing.

    Kafka answers at once when something comes. The embedded broker looks only about three times in
    that span: 500 ms made each hop 220 ms slow, 100 ms make it 10 to 40.
    """
    return 100 if broker.delivery == "at_least_once" else 500


def new_producer(settings: StreamSettings, **options: Any) -> AIOKafkaProducer:
    """A producer that waits for all replicas; ``options`` as aiokafka names them."""
    limit, compression = settings.topics.max_message_bytes, settings.broker.compression
    defaults: dict[str, Any] = {
        "acks": "all",
        "compression_type": None if compression == "none" else compression,
        "max_batch_size": min(limit, 262_144),
        # Their sum, with the overhead of a batch, has to stay under the topic's limit.
        "max_request_size": limit,
    }
    return AIOKafkaProducer(**(client_options(settings.broker) | defaults | options))


def new_consumer(settings: StreamSettings, **options: Any) -> AIOKafkaConsumer:
    """A consumer without a group that sees committed records only and never commits."""
    defaults: dict[str, Any] = {
        "group_id": None,
        "enable_auto_commit": False,
        "isolation_level": "read_committed",
        "auto_offset_reset": "earliest",
        "fetch_max_wait_ms": fetch_wait_ms(settings.broker),
        "max_partition_fetch_bytes": max(1_048_576, settings.topics.max_message_bytes),
    }
    return AIOKafkaConsumer(**(client_options(settings.broker) | defaults | options))


def new_admin(settings: StreamSettings) -> AIOKafkaAdminClient:
    return AIOKafkaAdminClient(**client_options(settings.broker))


def full_name(settings: StreamSettings, topic: str) -> str:
    """The topic's name at the broker: prefix and name, or just that after a slash.

    >>> full_name(StreamSettings(), "requests"), full_name(StreamSettings(), "/llm-requests")
    ('tidegate.requests', 'llm-requests')
    """
    return topic[1:] if is_foreign(topic) else settings.topics.prefix + topic


def bare_name(settings: StreamSettings, topic: str) -> str:
    """Of a topic at the broker; ``full_name`` gives the same back."""
    prefix = settings.topics.prefix
    if topic in {each.topic for each in settings.maps} or not topic.startswith(prefix):
        return f"/{topic}"
    return topic.removeprefix(prefix)


async def wait_for_broker(
    settings: StreamSettings, topics: Collection[str] = (), *, patience_s: float | None = None
) -> None:
    """Return once a broker lets us in, and does not hide one of these topics (with prefix).

    Raises BrokerUnavailableError after 20 s or ``patience_s``; BrokerRefusedError at once where
    trying again cannot help.
    """
    patience_s = PATIENCE_S if patience_s is None else patience_s
    cause = NOBODY
    try:
        async with asyncio.timeout(patience_s):
            while (found := await knock(settings.broker, topics)) is not None:
                cause = found.why
                if found.final:
                    raise BrokerRefusedError(settings.broker.url, cause)
                await asyncio.sleep(0.25)
    except TimeoutError:
        raise BrokerUnavailableError(
            settings.broker.url, f"tried for {patience_s:g} s; {cause}"
        ) from None


async def knock(broker: BrokerSettings, topics: Collection[str] = ()) -> Refusal | None:
    """Why we cannot come in now; the clients themselves only log it."""
    try:
        async with asyncio.timeout(KNOCK_S):
            await _come_in(broker, topics)
    except (KafkaError, OSError) as exc:  # TimeoutError among them
        await asyncio.sleep(0)  # else the socket stays open if our caller ends the loop now
        return refusal(exc, broker)
    return None


async def _come_in(broker: BrokerSettings, topics: Collection[str]) -> None:
    """Connect to the first of its addresses that answers, ask as any client would, and leave."""
    options = client_options(broker)
    for name in ("metadata_max_age_ms", "retry_backoff_ms"):
        del options[name]
    addresses = options.pop("bootstrap_servers")
    for last, address in enumerate(addresses, 1 - len(addresses)):
        host, _, port = address.rpartition(":")
        try:
            connection = await create_conn(host, int(port), **options)
            try:
                # Which versions it speaks, a broker tells before the login too.
                answer = await connection.send(MetadataRequest([*topics], False))
                _check_seen(answer.topics)
            finally:
                await connection.close()
        except (KafkaError, OSError) as exc:
            if not last or refusal(exc, broker).final:
                raise
        else:
            return


def _check_seen(topics: Iterable[Any]) -> None:
    """Clients wait for ever for a topic that is hidden from them."""
    for code, topic, *_ in topics:
        if code == TopicAuthorizationFailedError.errno:
            raise TopicAuthorizationFailedError(topic)
