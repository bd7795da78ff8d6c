"""The topic `alerts` in, each pending one to its channel; reading never waits for a channel."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from detectors.alerts.delivery import ChannelWorker, Surroundings, failed
from streams.batch import Message
from streams.codec import decode_record
from streams.errors import CorruptMessageError
from streams.log import get_logger
from streams.schemas.incidents import Alert

log = get_logger(__name__)

REMEMBERED: Final = 10_000
"""Alerts whose end is known, so that one written twice is sent once; the oldest are forgotten."""


class Sender:
    """All channels, by name, and what became of the alerts for them."""

    def __init__(self, workers: Mapping[str, ChannelWorker], world: Surroundings) -> None:
        self._workers = workers
        self._world = world
        self._newest: dict[str, Alert] = {}
        self._live = False

    async def run(
        self, batches: AsyncIterator[Sequence[Message]], caught_up: asyncio.Event
    ) -> None:
        """Until the batches end or it is cancelled; then the channels are closed.

        Nothing is sent before ``caught_up`` is set: later in the log it may say that it was.
        """
        try:
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(self._send_all(caught_up))
                async for batch in batches:
                    self.take(batch)
                sending.cancel()
        finally:
            for worker in self._workers.values():
                await worker.channel.close()

    async def _send_all(self, caught_up: asyncio.Event) -> None:
        await caught_up.wait()
        for alert in self._newest.values():
            if alert.delivery == "delivered" and alert.channel in self._workers:
                self._workers[alert.channel].stands(alert)
        async with asyncio.TaskGroup() as group:
            for worker in self._workers.values():
                group.create_task(worker.run())
            self._live = True
            for alert in list(self._newest.values()):
                if alert.delivery == "pending":
                    self._send(alert)

    def take(self, batch: Sequence[Message]) -> None:
        for message in batch:
            if message.value is None:
                continue
            try:
                alert = decode_record(message.value, Alert)
            except CorruptMessageError as exc:
                log.warning("alert_unreadable", offset=message.offset, error=str(exc))
                continue
            self._note(alert)

    def _note(self, alert: Alert) -> None:
        known = self._newest.pop(alert.id, None)
        # Written again as pending after it was settled, or while it is being sent: leave it so.
        self._newest[alert.id] = known if known and alert.delivery == "pending" else alert
        while len(self._newest) > REMEMBERED:
            del self._newest[next(iter(self._newest))]
        if self._live and known is None and alert.delivery == "pending":
            self._send(alert)

    def _send(self, alert: Alert) -> None:
        worker = self._workers.get(alert.channel)
        if worker is None:
            self._world.publish(failed(alert, 0, f"no channel {alert.channel!r} is configured"))
        else:
            worker.offer(alert)
