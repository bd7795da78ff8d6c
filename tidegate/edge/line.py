"""What waits in the spool in; the same at the centre, in order and once, out."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from streams.log import get_logger
from streams.retry import Attempts, persist
from streams.stage import Out
from tidegate.edge.spool import Spool

log = get_logger(__name__)

LONGEST_PAUSE_S: Final = 5.0


class Far(Protocol):
    """The far end of the line; after any error it is of no use any more."""

    async def open(self) -> int | None:
        """Settle the past, whoever we were; the position behind all that has ever arrived.

        None where nobody knows.
        """
        ...

    async def commit(self, out: Sequence[Out], position: int) -> None:
        """These arrive, and the position behind them, or neither; an error: outcome unknown."""
        ...

    async def close(self) -> None: ...


class Line:
    """Sends while the line is up; tries again while it is down.

    far: makes a new far end. More to send is announced by ``more``.
    """

    def __init__(self, far: Callable[[], Far], spool: Spool) -> None:
        self.more = asyncio.Event()
        self._far = far
        self._spool = spool
        self._attempts = Attempts(longest_s=LONGEST_PAUSE_S)

    async def run(self) -> None:
        """Until cancelled."""
        await persist(self.session, on_error=self._broken, attempts=self._attempts)

    async def session(self) -> None:
        """Send until something fails, then raise it."""
        far = self._far()
        try:
            await self.begin(far)
            self._attempts.succeeded()
            log.info("edge_line_up")
            while True:
                self.more.clear()
                await self.send_all(far)
                await self.more.wait()
        finally:
            await far.close()

    async def begin(self, far: Far) -> None:
        """What has arrived is not sent again, whether or not we had heard of it."""
        await self._arrived(await far.open())

    async def send_all(self, far: Far) -> None:
        """Until nothing waits."""
        while waiting := await asyncio.to_thread(self._spool.waiting):
            behind = waiting[-1].position + 1
            await far.commit([each.out for each in waiting], behind)
            await self._arrived(behind)

    async def _arrived(self, position: int | None) -> None:
        if position is not None:
            await asyncio.to_thread(self._spool.sent, position)

    def _broken(self, error: Exception) -> None:
        if self._attempts.failed == 0:  # once, not every few seconds of an outage
            log.warning("edge_line_down", error=f"{type(error).__name__}: {error}")
