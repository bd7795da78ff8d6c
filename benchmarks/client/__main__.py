"""What the client costs a service, with the broker alive, dead and silent: ``make bench-client``.

A thousand requests a second, each only told of, in threads and in asyncio; time in the request's
own thread, CPU of the whole process against the same service without the client, then as fast as
one thread can. Prints Markdown.
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.ingest.figures import spread
from streams.admin import create_topics
from streams.settings import BrokerSettings, StreamSettings, TopicSettings
from tests.services import Kafka
from tests.services.base import free_port

PREFIX = "bench-client."
ROOT = Path(__file__).parents[2]
PLAIN = {"WITHOUT_CRC32C": "1"}
HEAD = """| broker | service | mean µs | p50 µs | p99 µs | slowest µs | CPU µs | \
events told/s | of them sent/s | MB more | close s |
|---|---|---|---|---|---|---|---|---|---|---|"""


@contextmanager
def alive() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        kafka = Kafka(Path(folder))
        kafka.start()
        try:
            settings = StreamSettings(
                broker=BrokerSettings(url=kafka.url), topics=TopicSettings(prefix=PREFIX)
            )
            asyncio.run(create_topics(settings))
            yield f"127.0.0.1:{kafka.port}"
        finally:
            kafka.stop()


@contextmanager
def dead() -> Iterator[str]:
    yield f"127.0.0.1:{free_port()}"


@contextmanager
def silent() -> Iterator[str]:
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as door:
        yield f"127.0.0.1:{door.getsockname()[1]}"


def run(broker: str, how: str, seconds: float, **more: str) -> dict[str, Any]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "clients/python")])
    argv = [sys.executable, "-m", "benchmarks.client.service", broker, PREFIX, how, str(seconds)]
    done = subprocess.run(
        argv, cwd=ROOT, env={**os.environ, "PYTHONPATH": path, **more},
        stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def row(name: str, how: str, runs: list[dict[str, Any]]) -> str:
    def cell(key: str, digits: int = 0) -> str:
        return spread([each[key] for each in runs]).text(digits)

    cells = [
        cell("mean_us", 1), cell("p50_us", 1), cell("p99_us", 1), cell("max_us"),
        cell("cpu_us", 1), cell("events_per_s"), cell("sent_per_s"),
        cell("grown_mb"), cell("close_s", 1),
    ]  # fmt: skip
    return f"| {name} | {how} | {' | '.join(cells)} |"


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench-client", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    print(HEAD)
    for name, opened, more in (
        ("alive", alive, {}),
        ("alive, no package `crc32c`", alive, PLAIN),
        ("dead", dead, {}),
        ("silent", silent, {}),
    ):
        with opened() as broker:
            for how in ("threads", "asyncio"):
                runs = [run(broker, how, given.seconds, **more) for _ in range(given.runs)]
                print(row(name, how, runs), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
