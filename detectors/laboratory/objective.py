"""A run in, out how many of its requests missed what their pools promise: whether it is quiet."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.laboratory.groups import sums
from detectors.laboratory.readings import Readings
from streams.windows.table import Floats

OBJECTIVE: Final = 0.99
"""Share of a pool's requests that are to be good."""


@dataclass(frozen=True, slots=True)
class Kept:
    """By pool: requests that ended, and those that missed the objective of their pool."""

    ended: Floats
    missed: Floats

    def __add__(self, other: "Kept") -> "Kept":
        return Kept(self.ended + other.ended, self.missed + other.missed)

    @property
    def pools(self) -> int:
        """How many kept it."""
        return int(np.count_nonzero(self.missed <= (1 - OBJECTIVE) * self.ended))


def kept(readings: Readings) -> Kept:
    """A request misses that waited longer than its pool's SLO, failed, or was given up."""
    cluster, queue, requests = readings.cluster, readings.spreads["queue_s"], readings.series
    slo_s = np.array([service.slo_queue_s for service in cluster.services])
    pools, pool = len(cluster.services), cluster.pool_of_tenant

    def ended(name: str) -> Floats:
        return sums(pool, requests["request"][name].sum(axis=0)[: pool.size], pools)

    lost = ended("failed") + ended("cancelled")
    late = (queue.value > slo_s[pool[queue.column]]).astype(np.float64)
    return Kept(ended("finished") + lost, lost + sums(pool[queue.column], late, pools))
