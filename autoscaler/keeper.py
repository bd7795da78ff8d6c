"""What survives a short loss of ownership: taken when it begins, ended some time after it ended."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    async def close(self) -> None: ...


K = TypeVar("K", bound=Closable)


class Keeper(Generic[K]):
    """Holds one thing between two times of ownership; closes it ``linger_s`` after the last.

    make: builds it the first time, and again once it was closed.
    """

    def __init__(self, make: Callable[[], Awaitable[K]], *, linger_s: float) -> None:
        self._make = make
        self._linger_s = linger_s
        self._kept: K | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None

    async def take(self) -> K:
        if self._alarm:
            self._alarm.cancel()
        if self._closing:
            await self._closing
            self._closing = None
        if self._kept is None:
            self._kept = await self._make()
        return self._kept

    def leave(self) -> None:
        """Ownership ended, perhaps for a moment."""
        self._alarm = asyncio.get_running_loop().call_later(self._linger_s, self._close_soon)

    async def close(self) -> None:
        """Ownership ended for good."""
        kept, self._kept = self._kept, None
        if kept:
            await kept.close()

    def _close_soon(self) -> None:
        self._closing = asyncio.create_task(self.close())
