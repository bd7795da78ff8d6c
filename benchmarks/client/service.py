"""A service that answers requests, with the client or without: one case, in a process of its own.

``python -m benchmarks.client.service BROKER PREFIX HOW SECONDS`` prints JSON. HOW: `threads` or
`asyncio`. A request is arrival, first token and end, and nothing else.
"""

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import numpy as np
import psutil

if os.environ.get("WITHOUT_CRC32C"):
    sys.modules["crc32c"] = None  # type: ignore[assignment]  # as if it were not installed

from tidegate_client import Client

PACE: Final = 1_000
"""Requests a second, by threads and tasks that sleep in between."""
THREADS, TASKS = 4, 100
FLAT_OUT: Final = 200_000

Clock = Callable[[], int]


def request(client: Client) -> None:
    """What a service does around its own work."""
    with client.request(pool="chat", model="m", route="/v1/chat", tenant="t7") as told:
        told.first_token()
        told.output_tokens = 100


def nothing(_: Client) -> None:
    """The same service without the client."""


def threads(step: Callable[[], None], seconds: float) -> None:
    until = time.perf_counter() + seconds

    def serve() -> None:
        while time.perf_counter() < until:
            time.sleep(THREADS / PACE)
            step()

    workers = [threading.Thread(target=serve) for _ in range(THREADS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def tasks(step: Callable[[], None], seconds: float) -> None:
    async def serve(until: float) -> None:
        while time.perf_counter() < until:
            await asyncio.sleep(TASKS / PACE)
            step()

    async def all_of_them() -> None:
        until = time.perf_counter() + seconds
        await asyncio.gather(*(serve(until) for _ in range(TASKS)))

    asyncio.run(all_of_them())


def paced(
    serve: Callable[[Callable[[], None], float], None],
    work: Callable[[Client], None],
    client: Client,
    seconds: float,
) -> tuple[list[int], float]:
    """Nanoseconds of each request, and CPU seconds of the process."""
    took: list[int] = []

    def step() -> None:
        began = time.perf_counter_ns()
        work(client)
        took.append(time.perf_counter_ns() - began)

    began = time.process_time()
    serve(step, seconds)
    return took, time.process_time() - began


def flat_out(client: Client) -> float:
    """Events a second that one thread can tell."""
    began = time.perf_counter()
    for _ in range(FLAT_OUT):
        request(client)
    return 2 * FLAT_OUT / (time.perf_counter() - began)


def measure(broker: str, prefix: str, how: str, seconds: float) -> dict[str, float]:
    serve = threads if how == "threads" else tasks
    client = Client(broker=broker, prefix=prefix)
    request(client)
    client.flush(5.0)
    idle, idle_cpu_s = paced(serve, nothing, client, seconds)
    took, cpu_s = paced(serve, request, client, seconds)
    us = (np.array(took) - np.mean(idle)) / 1_000
    before, sent = _resident_mb(), client.counters.sent
    events_per_s = flat_out(client)
    grown = _resident_mb() - before
    sent_per_s = (client.counters.sent - sent) * events_per_s / (2 * FLAT_OUT)
    closed = time.perf_counter()
    client.close()
    return {
        "mean_us": float(us.mean()),
        "p50_us": float(np.percentile(us, 50)),
        "p99_us": float(np.percentile(us, 99)),
        "max_us": float(us.max()),
        "cpu_us": 1e6 * (cpu_s / len(took) - idle_cpu_s / len(idle)),
        "events_per_s": events_per_s,
        "sent_per_s": sent_per_s,
        "grown_mb": grown,
        "close_s": time.perf_counter() - closed,
    }


def _resident_mb() -> float:
    return psutil.Process().memory_info().rss / 1e6


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        _, given_broker, given_prefix, given_how, given_seconds = sys.argv
        found = measure(given_broker, given_prefix, given_how, float(given_seconds))
        sys.stdout.write(json.dumps(found))
