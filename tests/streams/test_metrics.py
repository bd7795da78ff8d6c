import socket
import urllib.request

import pytest

from streams import metrics
from streams.errors import PortTakenError
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
