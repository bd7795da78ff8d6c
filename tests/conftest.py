"""Services for the tests, and what happens where one cannot be had.

A test that needs a service the machine cannot run is skipped, counted, and the summary says which
command would bring it. With ``CI=true`` such a skip is a failure: nothing may be missing there.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, settings

from streams.embedded import embedded_broker_command
from streams.errors import MissingRequirementError
from tests.services import Chromium, Influx, Kafka, Kubernetes, Missing, Registry
from tests.services.base import free_port, listens

_missing: dict[str, str] = {}
Started = TypeVar("Started", Kafka, Influx, Kubernetes, Registry)

settings.register_profile("quick", max_examples=20, deadline=None)
settings.register_profile(
    "thorough", max_examples=20_000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def _absent(service: str, reason: Exception) -> None:
    _missing[service] = str(reason)
    if os.environ.get("CI") == "true":
        pytest.fail(f"{service}: {reason}")
    pytest.skip(f"{service}: {reason}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [str(report.longrepr) for report in terminalreporter.stats.get("skipped", [])]
    for service, reason in _missing.items():
        count = sum(service in text for text in skipped)
        terminalreporter.write_line(
            f"{count} tests skipped for want of {service}: {reason.splitlines()[0]} "
            f"(then: make services)"
        )


@pytest.fixture(scope="session")
def broker_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The embedded broker, one for the session: use topic prefixes of your own."""
    port = free_port()
    try:
        argv = embedded_broker_command(port)
    except MissingRequirementError as exc:
        _absent("embedded broker", exc)
    log = tmp_path_factory.mktemp("tansu") / "log.txt"
    with log.open("wb") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=out)
    try:
        _wait_for(port, process)
        yield f"kafka://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if listens(port):
            return
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        break
    pytest.fail("the embedded broker did not start")


def _started(kind: type[Started], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    name = kind.__name__.lower()
    try:
        service = kind(tmp_path_factory.mktemp(name))
        service.start()
    except Missing as exc:
        _absent(name, exc)
    yield service
    service.stop()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A real Apache Kafka, one for the session: use topic prefixes of your own."""
    yield from _started(Kafka, tmp_path_factory)


@pytest.fixture(scope="session")
def kafka_url(kafka: Kafka) -> str:
    return kafka.url


@pytest.fixture(scope="session")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influx]:
    """A real InfluxDB with an admin and an empty database."""
    yield from _started(Influx, tmp_path_factory)


@pytest.fixture(scope="session")
def kubernetes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubernetes]:
    """A real API server, one for the session: use a namespace of your own."""
    yield from _started(Kubernetes, tmp_path_factory)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A real Schema Registry, one for the session: use subjects of your own."""
    yield from _started(Registry, tmp_path_factory)


@pytest.fixture(scope="session")
def chromedriver() -> Path:
    try:
        return Chromium.prepare()
    except Missing as exc:
        _absent("chromium", exc)
        raise
