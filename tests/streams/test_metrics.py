import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client import Counter, Gauge, Histogram

from streams import metrics
from streams.errors import PortTakenError
from streams.liveness import Verdict
from tests.services.base import free_port


def test_counters_are_served_on_the_loopback_address_only() -> None:
    port = free_port()
    metrics.serve_metrics(port)
    metrics.RECORDS_IN.labels("a-test").inc(3)

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        assert b'tidegate_stage_records_in_total{stage="a-test"} 3.0' in answer.read()
    # Free on any other address, so it listens on that one alone.
    with socket.socket() as other:
        other.bind(("127.0.0.2", port))


def test_a_taken_port_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"port {port} for the metrics is taken"):
            metrics.serve_metrics(port)


def test_what_a_stage_shows_stands_in_the_operations_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    names = [
        metric._name.removeprefix("tidegate_stage_")
        for metric in vars(metrics).values()
        if isinstance(metric, Counter | Gauge | Histogram)
        and metric._name.startswith("tidegate_stage_")
    ]

    assert len(names) > 20
    assert [name for name in names if f"`{name}`" not in page] == []


def test_health_is_503_with_its_sentence_while_a_stage_stands_still() -> None:
    port, verdict = free_port(), Verdict("slow", "partials/3 has not moved for 16 s")
    metrics.serve_metrics(port, lambda: verdict)

    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz")
    assert (answer.value.code, answer.value.read()) == (
        503,
        b"slow: partials/3 has not moved for 16 s\n",
    )
    verdict = Verdict()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as well:
        assert (well.status, well.read()) == (200, b"well\n")
