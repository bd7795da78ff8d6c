"""Frames in, a Kafka broker out: the one place that knows kafka-python."""

from __future__ import annotations

import socket
import zlib
from collections.abc import Iterable
from typing import Any, Callable, Final, Protocol

from kafka import KafkaProducer, codec
from kafka.errors import (
    InvalidTopicError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

from tidegate_client.backlog import Frame
from tidegate_client.errors import InvalidSettingError
from tidegate_client.settings import Settings

REFUSED: Final = (
    InvalidTopicError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)
"""Sending again what the broker answers so would only hold up everything behind it."""
KNOCK_S: Final = 1.0
_PATIENCE_MS: Final = 5_000
_DELIVERY_MS: Final = 10_000


class Outcome:
    """What became of a frame on its way."""

    __slots__ = ("done", "error")

    def __init__(self) -> None:
        self.done = False
        self.error: BaseException | None = None

    def settle(self, error: BaseException | None = None) -> None:
        self.error = error
        self.done = True

    @property
    def refused(self) -> bool:
        return isinstance(self.error, REFUSED)


class Link(Protocol):
    """A way to the broker that is open; after any error it is closed and another one opened."""

    def prepare(self, topics: Iterable[str]) -> None:
        """Learn where they are, so that ``send`` need not wait. May wait, and raise anything."""
        ...

    def send(self, frame: Frame, done: Callable[[], None]) -> Outcome:
        """Does not wait; ``done`` is called from some thread once the outcome is there."""
        ...

    def close(self) -> None:
        """Without waiting for anything."""
        ...

    def abandon(self) -> None:
        """In a forked child: never use what belongs to the parent."""
        ...


OpenLink = Callable[[], Link]
"""Waits some seconds at most; raises anything."""


class KafkaLink:
    """A producer of kafka-python.

    Not idempotent: frames bear their own sequence, which also tells repeats of another producer,
    and a broker then needs no memory of us. A process always sends to the same partition: only
    there are its repeats known.
    """

    def __init__(self, settings: Settings) -> None:
        if not settings.kafka.keys() & {"proxy_url", "socks5_proxy"}:
            knock(settings.broker)
        self._prefix = settings.prefix
        self._partitions: dict[str, int] = {}
        self._producer = _producer(_options(settings))
        # Its own closing at exit would come before ours and wait once more.
        getattr(self._producer, "_unregister_cleanup", lambda: None)()

    def prepare(self, topics: Iterable[str]) -> None:
        for topic in topics:
            if topic not in self._partitions:
                found = self._producer.partitions_for(self._prefix + topic)
                self._partitions[topic] = len(found)

    def send(self, frame: Frame, done: Callable[[], None]) -> Outcome:
        outcome = Outcome()

        def settle(error: BaseException | None = None) -> None:
            outcome.settle(error)
            done()

        future = self._producer.send(
            self._prefix + frame.topic,
            value=frame.data,
            partition=zlib.crc32(frame.boot.encode()) % self._partitions[frame.topic],
        )
        future.add_callback(lambda _: settle())
        future.add_errback(settle)
        return outcome

    def close(self) -> None:
        try:
            self._producer.close(timeout=0)
        except KafkaTimeoutError:
            # Raised while something is on the way, and then its thread goes on trying.
            self._producer._sender.force_close()  # noqa: SLF001

    def abandon(self) -> None:
        # Else it closes the parent's connection when it is collected, or waits for its locks.
        self._producer._closed = True  # noqa: SLF001


def _producer(options: dict[str, Any]) -> KafkaProducer:
    """One that cannot log in or hears no answer would leave its sockets and thread behind."""
    new_client = options.get("kafka_client", KafkaProducer.DEFAULT_CONFIG["kafka_client"])
    clients: list[Any] = []

    def remembered(**config: Any) -> Any:
        clients.append(new_client(**config))
        return clients[-1]

    try:
        return KafkaProducer(**{**options, "kafka_client": remembered})
    except BaseException as exc:
        for client in clients:
            client.close()
        # A broker answers a wrong login and hangs up; kafka-python 3 loses an answer that comes
        # together with the end of the connection.
        if isinstance(exc, KafkaTimeoutError) and "sasl_mechanism" in options:
            raise KafkaTimeoutError(f"{exc.args[0]}; are user name and password right?") from exc
        raise


def knock(broker: str) -> None:
    """Raises OSError if nobody is there: kafka-python would wait longer, and log each try."""
    error: OSError | None = None
    for address in broker.split(","):
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), KNOCK_S).close()
        except OSError as exc:
            error = exc
        else:
            return
    raise error or OSError(f"no address in {broker!r}")


def check(settings: Settings) -> None:
    """Raises InvalidSettingError for what kafka-python would complain of only once it connects."""
    for name in settings.kafka:
        if name not in KafkaProducer.DEFAULT_CONFIG:
            raise InvalidSettingError("kafka option", name, "one of kafka-python's producer")
    packages = {"lz4": codec.has_lz4, "zstd": codec.has_zstd, "snappy": codec.has_snappy}
    if not packages.get(settings.compression, lambda: True)():
        name = settings.compression
        allowed = f"one whose package is there (pip install 'kafka-python[{name}]')"
        raise InvalidSettingError("compression", name, allowed)


def _options(settings: Settings) -> dict[str, Any]:
    none = settings.compression == "none"
    options = {
        "bootstrap_servers": settings.broker.split(","),
        "client_id": f"tidegate-client-{settings.producer}",
        "enable_idempotence": False,
        "acks": "all",
        "compression_type": None if none else settings.compression,
        "bootstrap_timeout_ms": _PATIENCE_MS,
        "max_block_ms": _PATIENCE_MS,
        "request_timeout_ms": _PATIENCE_MS,
        "delivery_timeout_ms": _DELIVERY_MS,
        "allow_auto_create_topics": False,
        "metrics_enabled": False,
        "security_protocol": settings.security.upper(),
    }
    if "ssl" in settings.security:
        files = {"ssl_cafile": settings.ca_file, "ssl_certfile": settings.cert_file,
                 "ssl_keyfile": settings.key_file}  # fmt: skip
        options.update({name: path for name, path in files.items() if path})
    if "sasl" in settings.security:
        options.update(
            sasl_mechanism=settings.sasl_mechanism,
            sasl_plain_username=settings.username,
            sasl_plain_password=settings.password,
        )
    return {**options, **settings.kafka}
