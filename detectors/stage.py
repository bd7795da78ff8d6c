"""WATCH: partials in, windows and anomalies out. All thinking is in watch.py."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final

from detectors.settings import DetectionSettings
from detectors.watch import Watch, WatchState, meaning_of
from streams import metrics
from streams.batch import RecordBatch
from streams.batched import App
from streams.errors import SnapshotError
from streams.inputs import INPUTS
from streams.log_stage import attach_log_stage
from streams.packing import pack, unpack
from streams.schemas.system import Quality
from streams.settings import StreamSettings
from streams.stage import Out
from streams.windows.progress import Counts
from streams.work import Shown

STAGE: Final = "watch"
COUNTERS: Final = {
    "late_after_close": metrics.LATE_AFTER_CLOSE,
    "repeated_blocks": metrics.REPEATED_BLOCKS,
    "broken_blocks": metrics.BROKEN_BLOCKS,
    "lost_records": metrics.LOST_RECORDS,
    "folded_series": metrics.FOLDED_SERIES,
    "forced_windows": metrics.FORCED_WINDOWS,
    "provisional_windows": metrics.PROVISIONAL,
}
"""What a shard counts, by its name in ``Counts``."""


class WatchHandler:
    """One shard's ``Watch`` behind the log.

    A restart takes up a snapshot, or a new machine, and steps it in silence through the log from
    there to the committed offset: it comes to the same state.

    meaning: ``meaning_of`` the settings of ``watch``.
    """

    def __init__(self, watch: Watch, meaning: str = "") -> None:
        self.meaning = meaning
        self._watch = watch
        self._counted = Counts()

    def save(self) -> bytes:
        return pack(self._watch.state)

    def load(self, state: bytes) -> None:
        try:
            self._watch.state = unpack(state, WatchState)
        except (KeyError, ValueError) as exc:
            raise SnapshotError(f"state does not fit these detectors ({exc})") from exc

    async def restore(self, replay: AsyncIterator[RecordBatch]) -> None:
        async for batch in replay:
            await self._step(batch)
        self._counted = replace(self._watch.merge.counts)

    async def handle(self, batch: RecordBatch) -> Sequence[Out]:
        out = await self._step(batch)
        dead = sum(one.topic == "dead-letters" for one in out)
        metrics.DEAD_LETTERS.labels(STAGE).inc(dead)
        for name, metric in COUNTERS.items():
            now = getattr(self._watch.merge.counts, name)
            metric.labels(STAGE).inc(now - getattr(self._counted, name))
        self._counted = replace(self._watch.merge.counts)
        said = [one.value for one in out if isinstance(one.value, Quality)]
        metrics.MISSED_ROWS.labels(STAGE).inc(sum(one.missed_rows for one in said))
        metrics.GIVEN_UP.labels(STAGE).inc(sum(one.given_up for one in said))
        for (detector, feature), share in self._watch.grace.worth.state.in_force.items():
            metrics.WORTH.labels(str(self._watch.shard), detector, feature).set(share)
        return out

    async def idle(self, position: int, clock_us: int) -> Sequence[Out]:  # noqa: ARG002
        # The machine's clock is the log's: where nothing is written, no time passes.
        return ()

    def shown(self) -> Shown:
        merge = self._watch.merge
        return Shown(
            watermark_us=merge.watermark_us,
            coverage=self._watch.flowing_ratio(),
            open_windows=sum(merge.open_windows().values()),
        )

    async def _step(self, batch: RecordBatch) -> Sequence[Out]:
        # A forest takes some 50 ms to grow: in a thread it does not hold up the loop, and as the
        # step is awaited its result counts from the same window on in every run.
        return await asyncio.to_thread(self._watch.step, batch.messages)


def attach(app: App, detection: DetectionSettings, stream: StreamSettings) -> None:
    """Run a ``Watch`` over each shard this worker owns."""
    partitions = range(stream.topics.raw_partitions)
    sources = [(topic, partition) for topic in INPUTS for partition in partitions]
    meaning = meaning_of(detection, stream.windows, sources)

    def handler(_topic: str, shard: int) -> WatchHandler:
        watch = Watch(
            shard, detection, stream.windows, sources, block_bytes=stream.topics.block_bytes
        )
        return WatchHandler(watch, meaning)

    attach_log_stage(
        app,
        stage=STAGE,
        topics=["partials"],
        handler=handler,
        snapshots="snapshots.watch",
        told_in="anomalies",
    )
