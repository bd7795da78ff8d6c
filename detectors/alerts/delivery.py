"""One channel at work: its queue, its attempts, and how each alert ended."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from detectors.alerts.channels.base import Channel
from detectors.alerts.outbox import Outbox
from streams.clock import SECOND_US, Clock
from streams.log import get_logger
from streams.schemas.incidents import Alert

log = get_logger(__name__)

PAUSES_S: Final = (1.0, 5.0, 30.0, 120.0)
"""Between attempts: somebody waits for this page, so it starts faster than the specification's
schedule; the last one repeats."""
LONGEST_PAUSE_S: Final = 300.0
"""What a ``Retry-After`` may ask at most: the alerts behind it wait too."""
JITTER: Final = 0.2
QUEUE: Final = 200
"""Alerts waiting per channel; what comes on top fails at once, and says so."""
TOO_OLD_US: Final = 3_600 * SECOND_US
"""A page about an hour ago helps nobody."""


def pause_s(attempt: int, retry_after_s: float | None, jitter: float) -> float:
    """Seconds from failed attempt number ``attempt`` (from 1) to the next.

    jitter: in [0, 1).

    >>> [pause_s(n, None, 0.5) for n in (1, 2, 9)], pause_s(1, 30, 0.5), pause_s(1, 9e9, 0.5)
    ([1.0, 5.0, 120.0], 30, 300.0)
    """
    usual = PAUSES_S[min(attempt, len(PAUSES_S)) - 1] * (1 + JITTER * (2 * jitter - 1))
    return min(max(usual, retry_after_s or 0.0), LONGEST_PAUSE_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a worker needs of the world.

    publish: takes note of an alert that was delivered or given up; never waits.
    """

    publish: Callable[[Alert], None]
    clock: Clock
    rng: Random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class ChannelWorker:
    """Attempts in order, one at a time, so that an end never overtakes its beginning.

    max_attempts: per alert.
    """

    def __init__(self, channel: Channel, max_attempts: int, world: Surroundings) -> None:
        self.channel = channel
        self.gone = False
        self._max_attempts = max_attempts
        self._world = world
        self._queue: asyncio.Queue[Alert] = asyncio.Queue(QUEUE)
        self._outbox = Outbox(channel.resend_s)

    def offer(self, alert: Alert) -> None:
        """Never waits; what finds no room fails."""
        try:
            self._queue.put_nowait(alert)
        except asyncio.QueueFull:
            self._world.publish(failed(alert, 0, f"{QUEUE} alerts are waiting already"))

    def stands(self, alert: Alert) -> None:
        """It was delivered in an earlier life; the receiver may have to hear it again.

        To be called before ``run``.
        """
        self._outbox.delivered(alert, self._world.clock())

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            wait_s = self._outbox.due_in_s(self._world.clock())
            try:
                async with asyncio.timeout(wait_s):
                    alert = await self._queue.get()
            except TimeoutError:
                await self._resend()
            else:
                self._world.publish(await self._sent(alert))

    async def _sent(self, alert: Alert) -> Alert:
        """The alert as it ended: delivered or failed."""
        if self._world.clock() - alert.at_us > TOO_OLD_US:
            return failed(alert, 0, "more than an hour old when it could be sent")
        attempt = 0
        while not self.gone:
            attempt += 1
            delivery = await self.channel.deliver(alert, now_us=self._world.clock())
            if delivery.ok:
                return self._delivered(alert, attempt)
            self.gone = delivery.gone
            if delivery.final or attempt >= self._max_attempts:
                return failed(alert, attempt, delivery.detail)
            log.info("alert_attempt_failed", channel=alert.channel, error=delivery.detail)
            pause = pause_s(attempt, delivery.retry_after_s, self._world.rng.random())
            await self._world.sleep(pause)
        return failed(alert, attempt, "the channel answered 410 (gone) and is disabled")

    def _delivered(self, alert: Alert, attempts: int) -> Alert:
        now_us = self._world.clock()
        self._outbox.delivered(alert, now_us)
        return alert.but(delivery="delivered", attempts=attempts, delivered_at_us=now_us, error="")

    async def _resend(self) -> None:
        for alert in self._outbox.take_due(self._world.clock()):
            delivery = await self.channel.deliver(alert, now_us=self._world.clock())
            if not delivery.ok:
                log.info("alert_resend_failed", channel=alert.channel, error=delivery.detail)


def failed(alert: Alert, attempts: int, error: str) -> Alert:
    return alert.but(delivery="failed", attempts=attempts, error=error)
