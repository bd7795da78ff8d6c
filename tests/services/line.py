"""A line between a client and a port that can be cut, and that can lose what is answered."""

import asyncio
from contextlib import suppress
from typing import Self


class FarLine:
    """Listens on ``near`` and hands on to ``far`` while it is up.

    After a request of the kind ``deaf_after`` (a Kafka API key), nothing comes back any more.
    """

    def __init__(self, near: int, far: int) -> None:
        self.deaf_after: int | None = None
        self.deaf = asyncio.Event()
        self._near = near
        self._far = far
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    async def mend(self) -> None:
        self.deaf_after = None
        self.deaf.clear()
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._near)

    async def cut(self) -> None:
        """Nobody listens any more, and all connections are gone."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in tuple(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _connected(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            far, out = await asyncio.open_connection("127.0.0.1", self._far)
            self._writers |= {back, out}
            try:
                await asyncio.gather(self._requests(near, out), self._answers(far, back))
            finally:
                self._writers -= {back, out}
                for writer in (back, out):
                    writer.transport.abort()

    async def _requests(self, near: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                size = await near.readexactly(4)
                request = await near.readexactly(int.from_bytes(size))
                if int.from_bytes(request[:2]) == self.deaf_after:
                    self.deaf.set()
                out.write(size + request)
                await out.drain()
        out.transport.abort()

    async def _answers(self, far: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        while data := await far.read(65_536):
            if not self.deaf.is_set():
                back.write(data)
                await back.drain()
        back.transport.abort()
