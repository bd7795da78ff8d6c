"""Processes and the broker looked at, samples out."""

from types import TracebackType
from typing import Final, Self

import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.soak.verdict import Sample
from streams.batched import group_id
from streams.clock import SECOND_US, system_clock
from streams.codec import decode_block
from streams.connection import full_name, new_consumer
from streams.inputs import INPUTS
from streams.reader import TopicReader
from streams.settings import StreamSettings
from tests.chaos.crew import Crew

READS: Final = {"ingest": INPUTS, "watch": ("partials",)}
"""Stage -> topics of which it commits offsets."""
MEGABYTE: Final = 1e6


class Watcher:
    """Open it once the topics are there; one consumer asks for the offsets of each stage."""

    def __init__(self, settings: StreamSettings, crew: Crew, stretch: int) -> None:
        self._settings = settings
        self._crew = crew
        self._stretch = stretch
        self._consumers: dict[str, AIOKafkaConsumer] = {}
        self._windows = TopicReader(settings, ["windows"], start="latest")
        self._marks_us: dict[int, int] = {}

    async def __aenter__(self) -> Self:
        for stage in READS:
            group = group_id(self._settings, stage)
            consumer = self._consumers[stage] = new_consumer(self._settings, group_id=group)
            await consumer.start()
        await self._windows.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for consumer in self._consumers.values():
            await consumer.stop()
        await self._windows.__aexit__(kind, error, trace)

    async def look(self, at_s: float) -> list[Sample]:
        found = {worker.stage: _process(worker.process.pid) for worker in self._crew.workers}
        for stage, consumer in self._consumers.items():
            found[stage]["lag"] = await self._lag(stage, consumer)
        found["stream"] = {"behind_s": await self._behind_s()}
        return [
            Sample(stretch=self._stretch, at_s=at_s, of=of, values=values)
            for of, values in found.items()
        ]

    async def _lag(self, stage: str, consumer: AIOKafkaConsumer) -> float:
        topics, shards = self._settings.topics, self._settings.topics.shards
        partitions = shards if stage == "watch" else topics.raw_partitions
        all_tp = [
            TopicPartition(full_name(self._settings, topic), number)
            for topic in READS[stage]
            for number in range(partitions)
        ]
        ends = await consumer.end_offsets(all_tp)
        committed = [await consumer.committed(tp) or 0 for tp in all_tp]
        return float(sum(ends[tp] - done for tp, done in zip(all_tp, committed, strict=True)))

    async def _behind_s(self) -> float:
        """How old the newest second is that is final on every shard."""
        for message in await self._windows.poll(0.1):
            header = decode_block(message.value or b"").header
            self._marks_us[header.shard] = max(
                header.watermark_us, self._marks_us.get(header.shard, 0)
            )
        if len(self._marks_us) < self._settings.topics.shards:
            return 0.0
        return (system_clock() - min(self._marks_us.values())) / SECOND_US


def _process(pid: int) -> dict[str, float]:
    process = psutil.Process(pid)
    return {
        "rss_mb": process.memory_info().rss / MEGABYTE,
        "handles": float(process.num_fds()),
        "threads": float(process.num_threads()),
    }
