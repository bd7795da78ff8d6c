"""GPU samples on the `gpu` topic: whole ones, or one metric a record."""

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from benchmarks.ingest.load import send
from streams.clock import system_clock
from streams.connection import full_name
from streams.settings import StreamSettings
from streams.windows.features import FEATURES

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

GPUS: Final = 10_000
PER_NODE: Final = 8
GROUPS: Final = 64
METRICS: Final = tuple(feature.name for feature in FEATURES["gpu"])[:18]
"""The published figures are of these; what was added since is missing from most records."""


class GpuLoader:
    """Readings of 10,000 GPUs, each GPU's always the same but for the time.

    metrics: how many a record holds.
    """

    def __init__(
        self, producer: "AIOKafkaProducer", settings: StreamSettings, *, metrics: int
    ) -> None:
        self._producer = producer
        self._topic = full_name(settings, "gpu")
        self._partitions = settings.topics.raw_partitions
        self._next = 0
        self._tails = [tail for gpu in range(GPUS) for tail in _tails(gpu, metrics)]

    async def load(self, count: int) -> None:
        """``count`` records more, stamped now."""
        head = b'{"at_us":%d,' % system_clock()
        due = range(self._next, self._next + count)
        self._next += count
        made = [head + self._tails[number % len(self._tails)] for number in due]
        written: list[asyncio.Future[object]] = []
        for partition in range(self._partitions):
            values = ((None, value) for value in made[partition :: self._partitions])
            written += await send(self._producer, self._topic, partition, values)
        await asyncio.gather(*written)


def _tails(gpu: int, metrics: int) -> list[bytes]:
    """The records of one GPU's reading, without the time."""
    node = gpu // PER_NODE
    place = {"node": f"node-{node:05d}", "gpu_uuid": f"GPU-{gpu:08x}", "pool": f"pool-{node % 16}"}
    place |= {"node_group": f"group-{node % GROUPS}", "zone": "a", "model": "H100"}
    values = np.random.default_rng(gpu).integers(1, 100, len(METRICS)).tolist()
    readings = list(zip(METRICS, values, strict=True))
    return [
        msgspec.json.encode(place | dict(readings[at : at + metrics]))[1:]
        for at in range(0, len(readings), metrics)
    ]
