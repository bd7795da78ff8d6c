"""One sink and what waits for it: written at once, spooled while the sink is down."""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from streams.errors import SinkUnavailableError
from streams.log import get_logger
from streams.metrics import SINK_DOWN, SINK_POINTS, SINK_REFUSED, SINK_SPOOLED
from streams.sinks.base import BadPoint, Point, Sink
from streams.sinks.spool import Spool

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
_BAD_SHOWN: Final = 3

_log = get_logger(__name__)


class Delivery:
    """Brings points to one sink, in order, without holding up the others.

    ``put`` returns as soon as the points are in the sink or in the spool. Where both refuse (the
    spool is full), it waits: its caller does not commit, and so reading pauses.
    """

    def __init__(
        self,
        sink: Sink,
        spool: Spool,
        *,
        spool_points: int,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sink = sink
        self._spool = spool
        self._bound = spool_points
        self._pause = pause
        self._pending: deque[tuple[Sequence[Point], asyncio.Future[None]]] = deque()
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failures = 0
        self._closed = False
        self.written = 0
        self.bad = 0

    @property
    def down(self) -> bool:
        return self._failures > 0

    @property
    def spooled(self) -> int:
        return len(self._spool)

    @property
    def paused(self) -> bool:
        """The spool is full and a partition waits."""
        return self.down and bool(self._pending)

    async def put(self, points: Sequence[Point]) -> None:
        if not points:
            return
        if self._closed:
            raise SinkUnavailableError(self._sink.name, 0.0, "closed")
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
            self._task.add_done_callback(self._give_up)
        if (self.down or self.spooled) and self._fits(points):
            await asyncio.to_thread(self._spool.put, points)
            self._work.set()
            return
        stored = asyncio.get_running_loop().create_future()
        self._pending.append((points, stored))
        self._work.set()
        await stored

    async def drained(self) -> None:
        """Return when the sink holds everything that was put."""
        await self._idle.wait()

    async def close(self) -> None:
        """Stop. What was not stored stays uncommitted in the log, or in the spool on disk."""
        self._closed = True
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await asyncio.to_thread(self._sink.close)
        self._spool.close()

    def _give_up(self, task: asyncio.Task[None]) -> None:
        """The task ended (closed, or the spool failed): whoever waits must not commit."""
        error = None if task.cancelled() else task.exception()
        while self._pending:
            _, stored = self._pending.popleft()
            if error and not stored.done():
                stored.set_exception(error)
            else:
                stored.cancel()

    async def _run(self) -> None:
        while True:
            if not self._work.is_set():
                self._idle.set()
            await self._work.wait()
            self._idle.clear()
            try:
                await self._advance()
            except SinkUnavailableError as exc:
                await self._fail(exc)
            else:
                self._recover()

    def _show(self) -> None:
        SINK_SPOOLED.labels(self._sink.name).set(self.spooled)
        SINK_DOWN.labels(self._sink.name).set(self.down)

    async def _advance(self) -> None:
        while self.spooled:
            head = await asyncio.to_thread(self._spool.head, self._sink.batch_points)
            await self._write(head)
            await asyncio.to_thread(self._spool.drop, len(head))
            await self._spill()
        self._work.clear()
        if not (taken := list(self._pending)):
            return
        try:
            await self._write([point for points, _ in taken for point in points])
        except SinkUnavailableError:
            self._work.set()
            raise
        for _, stored in taken:
            self._pending.popleft()
            _settle(stored)

    async def _write(self, points: Sequence[Point]) -> None:
        # Of two points with one identity the later holds: not every server promises that.
        newest = list({point.identity: point for point in points}.values())
        for start in range(0, len(newest), self._sink.batch_points):
            batch = newest[start : start + self._sink.batch_points]
            bad = await asyncio.to_thread(self._sink.write, batch)
            self.written += len(batch) - len(bad)
            SINK_POINTS.labels(self._sink.name).inc(len(batch) - len(bad))
            self._set_aside(bad)

    def _set_aside(self, bad: Sequence[BadPoint]) -> None:
        self.bad += len(bad)
        SINK_REFUSED.labels(self._sink.name).inc(len(bad))
        for one in bad[:_BAD_SHOWN]:
            _log.warning(
                "sink_refused_point",
                sink=self._sink.name,
                measurement=one.point.measurement,
                tags=one.point.tags,
                at_us=one.point.at_us,
                reason=one.reason,
                refused=len(bad),
            )

    async def _spill(self) -> None:
        """Move what waits into the spool as far as there is room, oldest first."""
        while self._pending and self._fits(self._pending[0][0]):
            points, stored = self._pending[0]
            await asyncio.to_thread(self._spool.put, points)
            self._pending.popleft()
            _settle(stored)

    def _fits(self, points: Sequence[Point]) -> bool:
        return self.spooled + len(points) <= self._bound

    async def _fail(self, exc: SinkUnavailableError) -> None:
        self._failures += 1
        await self._spill()
        self._show()
        if self._failures == 1 or self.paused:
            event = "sink_down_reading_pauses" if self.paused else "sink_down_points_spooled"
            _log.warning(event, sink=self._sink.name, cause=str(exc), spooled=self.spooled)
        backoff = min(_FIRST_PAUSE_S * 2 ** min(self._failures - 1, 10), _LONGEST_PAUSE_S)
        await self._pause(max(backoff, exc.retry_after_s) * random.uniform(1.0, 1.2))

    def _recover(self) -> None:
        if self._failures:
            _log.info("sink_up_again", sink=self._sink.name, failures=self._failures)
        self._failures = 0
        self._show()


def _settle(stored: asyncio.Future[None]) -> None:
    if not stored.done():  # its partition may have gone to another worker meanwhile
        stored.set_result(None)
