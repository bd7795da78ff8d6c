"""Records written from outside any stage: gateway, agents, sources, the control API."""

import asyncio
from collections import deque
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from aiokafka.errors import KafkaError

from streams.connection import knock, new_producer
from streams.errors import BrokerUnavailableError
from streams.log import get_logger
from streams.retry import Attempts, persist
from streams.settings import StreamSettings
from streams.stage import Out
from streams.transaction import encoded, stopped

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

log = get_logger(__name__)

LINGER_MS: Final = 20
SEND_S: Final = 10.0
FLUSH_S: Final = 2.0
UNACKNOWLEDGED: Final = 2_000
"""Messages handed to the client and not yet acknowledged; the rest waits in our own buffer."""


class Publisher:
    """A plain producer with a bounded buffer in front of it.

    buffer: messages that ``offer`` keeps while the broker is slow or gone; what exceeds it is
    dropped and counted in ``dropped``, and so is what the broker refuses. What fails because the
    broker is gone goes back into the buffer; so a record may be written twice.
    """

    def __init__(self, settings: StreamSettings, *, buffer: int = 10_000) -> None:
        self.dropped = 0
        self._settings = settings
        self._limit = buffer
        self._waiting: deque[Out] = deque()
        self._arrived = asyncio.Event()
        self._unacknowledged: set[asyncio.Future[object]] = set()
        self._room = asyncio.Event()
        self._room.set()
        self._producer: AIOKafkaProducer | None = None
        self._connected = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._why = ""

    async def __aenter__(self) -> Self:
        """Returns at once: the broker may come later."""
        pump = persist(self._run, on_error=self._stumbled, attempts=Attempts())
        self._pump = asyncio.create_task(pump, name="publisher")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write out what is buffered, for two seconds at most."""
        deadline = asyncio.get_running_loop().time() + FLUSH_S
        while self._waiting or self._unacknowledged:
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(0.02)
        self.dropped += len(self._waiting)
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
        await stopped(self._producer)

    async def send(self, *out: Out) -> None:
        """Write and wait for the acknowledgement; raises BrokerUnavailableError after 10 s."""
        try:
            async with asyncio.timeout(SEND_S):
                await self._connected.wait()
                futures = [await self._send(each) for each in out]
                await asyncio.gather(*futures)
        except (TimeoutError, KafkaError) as exc:
            cause = str(exc) or self._why or f"no answer for {SEND_S:g} s"
            raise BrokerUnavailableError(self._settings.broker.url, cause) from exc

    def offer(self, *out: Out) -> bool:
        """Never waits; False if not all of them found room (then none is kept)."""
        if len(self._waiting) + len(out) > self._limit:
            self.dropped += len(out)
            return False
        self._waiting.extend(out)
        self._arrived.set()
        return True

    async def _run(self) -> None:
        await self._connect()
        while True:
            while self._waiting:
                await self._room.wait()
                out = self._waiting.popleft()
                try:
                    self._track(out, await self._send(out))
                except KafkaError as exc:
                    self._failed(out, exc)
            self._arrived.clear()
            await self._arrived.wait()

    async def _connect(self) -> None:
        attempts = Attempts(longest_s=2.0)
        while not self._connected.is_set():
            producer = new_producer(self._settings, linger_ms=LINGER_MS)
            try:
                await producer.start()
            except BaseException as exc:
                await stopped(producer)  # also when we are cancelled just now
                if not isinstance(exc, KafkaError | OSError):
                    raise
                await self._say_why(exc)
                await attempts.pause()
            else:
                self._producer, self._why = producer, ""
                self._connected.set()

    async def _say_why(self, error: Exception) -> None:
        """Once for each reason: the client's own error only says that it could not connect."""
        found = await knock(self._settings.broker)
        why = found.why if found else str(error)
        if why != self._why:
            log.warning("publisher_waits", broker=self._settings.broker.url, cause=why)
        self._why = why

    async def _send(self, out: Out) -> asyncio.Future[object]:
        if self._producer is None:
            raise BrokerUnavailableError(self._settings.broker.url, "not connected yet")
        future: asyncio.Future[object] = await self._producer.send(**encoded(self._settings, out))
        return future

    def _track(self, out: Out, future: asyncio.Future[object]) -> None:
        self._unacknowledged.add(future)
        if len(self._unacknowledged) >= UNACKNOWLEDGED:
            self._room.clear()
        future.add_done_callback(partial(self._settled, out))

    def _settled(self, out: Out, future: asyncio.Future[object]) -> None:
        self._unacknowledged.discard(future)
        self._room.set()
        error = None if future.cancelled() else future.exception()
        if error is not None:
            self._failed(out, error)

    def _failed(self, out: Out, error: BaseException) -> None:
        again = getattr(error, "retriable", False) and len(self._waiting) < self._limit
        if again:
            self._waiting.appendleft(out)
            self._arrived.set()
        else:
            self.dropped += 1
        log.debug("message_failed", topic=out.topic, again=again, error=str(error))

    def _stumbled(self, error: Exception) -> None:
        log.error("publisher_failed", error=f"{type(error).__name__}: {error}")
