"""The look, once a second, at where the logs of a log stage end: idleness and lag come of it."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from faust.types import TP

from streams import metrics
from streams.batched import App
from streams.clock import SECOND_US, Clock
from streams.connection import bare_name, new_consumer
from streams.log import get_logger
from streams.partition import Partition
from streams.settings import WindowSettings
from streams.work import AtEnd, Recheck, Shown, Work

log = get_logger(__name__)

JUST_AFTER_US: Final = 2_000
"""The look comes so long after the instant at which a whole second has passed for good."""
LOST_S: Final = 5.0
"""There is more to read, we want it, and nothing comes: ask again after this long."""


def until_look_s(now_us: int, windows: WindowSettings) -> float:
    """Seconds until the next look: one a second, each when its finding is worth most.

    A source that rests holds its windows open until a look finds its end later than a window's end
    + lateness + the clock's error: so each look comes just after a second has passed all of that.

    >>> until_look_s(now_us=10_000_000, windows=WindowSettings(lateness_s=2, max_clock_error_s=0.5))
    0.502
    """
    passed_us = round((windows.lateness_s + windows.max_clock_error_s) * SECOND_US) + JUST_AFTER_US
    return (SECOND_US - (now_us - passed_us) % SECOND_US) / SECOND_US


class Ends:
    """Tells partitions that are quiet of the end of their log, and all the world how they are."""

    def __init__(
        self, app: App, work: Work, partitions: Callable[[], Mapping[TP, Partition]], clock: Clock
    ) -> None:
        self._app = app
        self._work = work
        self._partitions = partitions
        self._clock = clock
        self._client: AIOKafkaConsumer | None = None
        self._opening = asyncio.Lock()
        self._topics: set[str] = set()

    async def client(self) -> AIOKafkaConsumer:
        """A client to ask where logs begin and end.

        It reads uncommitted: only when we are at the very end, open transactions included, is
        everything before the clock's reading known.
        """
        async with self._opening:
            if self._client is None:
                client = new_consumer(self._app.settings, isolation_level="read_uncommitted")
                try:
                    await client.start()
                except KafkaError:
                    await client.stop()
                    raise
                self._client = client
            return self._client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.stop()

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(until_look_s(self._clock(), self._app.settings.windows))
            self._app.vitals.joined(self._app.consumer.member_id)
            try:
                await self._look()
            except KafkaError as exc:
                log.debug("ends_unknown", stage=self._work.stage, error=str(exc))

    async def _look(self) -> None:
        partitions = {TopicPartition(*tp): each for tp, each in self._partitions().items()}
        positions = {tp: partition.position for tp, partition in partitions.items()}
        clock_us = self._clock()
        ends: dict[TopicPartition, int] = {}
        if partitions:
            ends = await (await self.client()).end_offsets(list(partitions))
        lags: dict[str, int] = {}
        for tp, end in ends.items():
            partition, position = partitions[tp], positions[tp]
            self._tell(partition, position, end, clock_us)
            # The fetch knows better than the embedded broker's answer, see below.
            end = max(end, self._app.consumer.known_end(tp))  # noqa: PLW2901
            reached = partition.reached
            lag = 0 if reached is None else max(0, end - reached)
            lags[tp.topic] = lags.get(tp.topic, 0) + lag
            waits = not partition.ours or self._work.waits()
            partition.vital.look(behind=not waits and (lag > 0 or position is None))
        self._show(partitions.values(), lags, clock_us)

    def _tell(self, partition: Partition, position: int | None, end: int, clock_us: int) -> None:
        idle_s = asyncio.get_running_loop().time() - partition.active_at
        if position is None or position != partition.position or not partition.quiet:
            return
        # Not equality: the embedded broker names the end too low by all but one of the last
        # batch, and a position is never inside a batch.
        if end <= position:
            partition.deliver(AtEnd(position, clock_us))
        elif end > position and idle_s > LOST_S:
            partition.active_at += idle_s
            partition.deliver(Recheck())

    def _show(
        self, partitions: Iterable[Partition], lags: Mapping[str, int], clock_us: int
    ) -> None:
        stage, partitions = self._work.stage, tuple(partitions)
        self._topics |= lags.keys()
        for topic in self._topics:
            name = bare_name(self._app.settings, topic)
            metrics.LAG.labels(stage, name).set(lags.get(topic, 0))
        metrics.PARTITIONS.labels(stage).set(len(partitions))
        failures = max((partition.failures for partition in partitions), default=0)
        metrics.FAILING.labels(stage).set(failures)
        show(stage, [shown for each in partitions if (shown := each.shown())], clock_us)


def show(stage: str, parts: Iterable[Shown], clock_us: int) -> None:
    """What the parts of a stage have come to, as one: the last watermark, the least coverage."""
    parts = tuple(parts)
    if not parts:
        return
    metrics.COVERAGE.labels(stage).set(min(part.coverage for part in parts))
    metrics.OPEN_WINDOWS.labels(stage).set(sum(part.open_windows for part in parts))
    watermark_us = min(part.watermark_us for part in parts)
    if watermark_us:
        metrics.WATERMARK.labels(stage).set(watermark_us / SECOND_US)
        metrics.WATERMARK_LAG.labels(stage).set((clock_us - watermark_us) / SECOND_US)
