"""Many targets in one process, each on a port of its own: ``python -m benchmarks.scrape.server N``.

Prints the ports. Whatever a target is asked, it answers with its whole page.
"""

import asyncio
import resource
import sys
import time
from typing import Final

from benchmarks.scrape.pages import versions

VERSIONS: Final = 64
STEP_S: Final = 2.0


class Door(asyncio.Protocol):
    """HTTP/1.1 with kept connections, as little of it as a scraper needs."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers = answers
        self._waiting = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        while b"\r\n\r\n" in self._waiting:
            self._waiting = self._waiting.partition(b"\r\n\r\n")[2]
            self._transport.write(self._answers[int(time.monotonic() / STEP_S) % VERSIONS])


def answers() -> list[bytes]:
    pages = versions(VERSIONS)
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
    return [(head % len(page)).encode() + page for page in pages]


async def serve(targets: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    loop = asyncio.get_running_loop()
    pages = answers()
    servers = [
        await loop.create_server(lambda: Door(pages), "127.0.0.1", 0) for _ in range(targets)
    ]
    sys.stdout.write(" ".join(str(s.sockets[0].getsockname()[1]) for s in servers) + "\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)  # Until whoever started us is gone.


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
