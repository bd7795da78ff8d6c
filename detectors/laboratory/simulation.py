"""Drivers in, readings out: a cluster under real traffic, a second at a time."""

from typing import Final

import numpy as np

from detectors.laboratory.answers import Speech
from detectors.laboratory.cluster import Cluster
from detectors.laboratory.demand import Demand
from detectors.laboratory.drivers import Drivers
from detectors.laboratory.flights import Of
from detectors.laboratory.hardware import GpuDrive, Hardware
from detectors.laboratory.log import Log
from detectors.laboratory.noise import Noise
from detectors.laboratory.readings import Readings
from detectors.laboratory.serving import Pace, Served, Serving
from streams.windows.table import Floats

ASIDE_AFTER: Final = 3
"""Seconds after which the gateway sends nothing more to a replica that does not answer."""
MAX_TRIES: Final = 3
"""A client that was let down so often gives up."""
NVLINK_SHARE: Final = 0.3
"""Of the time between tokens that two GPUs of a replica talk to each other."""
CUMULATIVE: Final = ("ecc_corrected", "ecc_uncorrected", "nvlink_errors", "pcie_replays")


class Simulation:
    """Carries its state from one run to the next; the same seeds give the same readings.

    All noise is drawn beforehand by second and series, so that a fault changes nothing but what
    follows from it.
    """

    def __init__(self, cluster: Cluster, rng: np.random.Generator) -> None:
        self._cluster = cluster
        self._rng = rng
        self._serving = Serving(cluster)
        gpus = cluster.replica_of_gpu.size
        warm = 45.0 + rng.normal(0, 2, gpus)
        self._hardware = Hardware(core_c=warm, memory_c=warm + 8, clock=np.ones(gpus))
        self._sums = {name: np.zeros(gpus) for name in CUMULATIVE}
        self._down = np.zeros(cluster.size)
        self._again: list[Demand] = []

    def run(self, drivers: Drivers) -> Readings:
        noise = Noise.drawn(self._rng, drivers)
        log = Log(drivers)
        retries = np.random.default_rng(int(self._rng.integers(2**32)))
        edges = np.searchsorted(drivers.demand.at_s, np.arange(drivers.seconds + 1))
        for second in range(drivers.seconds):
            new = drivers.demand.cut(edges[second], edges[second + 1])
            self._second(second, drivers, new, log, noise, retries)
        self._serving.begin_anew(drivers.seconds)
        self._again = [one.but(at_s=one.at_s - drivers.seconds) for one in self._again]
        return log.readings(self._sums_over(drivers), noise)

    def _second(  # noqa: PLR0913
        self,
        second: int,
        drivers: Drivers,
        new: Demand,
        log: Log,
        noise: Noise,
        retries: np.random.Generator,
    ) -> None:
        for demand in (new, *self._again):
            log.arrivals(second, demand)
            self._serving.arrive(demand.where(~demand.invalid))
        pace = self._pace(second, drivers, noise)
        served = self._serving.step(second, pace, drivers.patience_s[second], noise.token[second])
        self._again = _coming_again(served, second, drivers, retries)
        self._gpus(second, drivers, served, log)
        log.served(second, served, self._serving.in_flight())

    def _pace(self, second: int, drivers: Drivers, noise: Noise) -> Pace:
        up = drivers.up[second]
        self._down = np.where(up > 0, 0, self._down + 1)
        clock = self._of_replicas(self._hardware.clock)
        link = self._of_replicas(drivers.nvlink_speed[second])
        alone = self._cluster.per_replica("gpus") < 2
        talk = 1 + np.where(alone, 0.0, NVLINK_SHARE) * (1 / link - 1)
        return Pace(
            decode=drivers.decode_speed[second] * clock / talk,
            prefill=drivers.prefill_speed[second] * clock / talk,
            before_prefill_s=drivers.before_prefill_s[second],
            error_ratio=drivers.error_ratio[second],
            up=up,
            routed=drivers.routed[second] * (self._down < ASIDE_AFTER),
            hits=np.minimum(drivers.prefix_hits[second] * noise.hits[second], 0.98),
            kv_leaked=drivers.kv_leaked[second],
            affine=drivers.affine[second],
            speech=Speech(
                empty_ratio=drivers.empty_ratio[second],
                loop_ratio=drivers.loop_ratio[second],
                scale=drivers.answer_scale[second],
                cap=drivers.answer_cap[second],
            ),
        )

    def _of_replicas(self, gpus: Floats) -> Floats:
        """The slowest of a replica's GPUs sets its pace."""
        slowest = np.full(self._cluster.size, np.inf)
        np.minimum.at(slowest, self._cluster.replica_of_gpu, gpus)
        return slowest

    def _gpus(self, second: int, drivers: Drivers, served: Served, log: Log) -> None:
        full = served.batch / self._cluster.per_replica("slots")
        works = drivers.up[second] * (served.batch > 0)
        load = works * (0.25 + 0.5 * full) + 0.25 * served.prefill_ratio
        load = np.minimum(load, 1.0)[self._cluster.replica_of_gpu]
        busy = 1 - np.exp(-1.3 * served.batch * works - 3 * served.prefill_ratio)
        drive = GpuDrive(
            cooling=drivers.cooling[second],
            power_limit=drivers.power_limit[second],
            room_c=drivers.room_c[second],
        )
        power_w, bits = self._hardware.step(drive, load)
        log.gpus(second, self._hardware, power_w, bits, busy[self._cluster.replica_of_gpu])

    def _sums_over(self, drivers: Drivers) -> dict[str, Floats]:
        """Counters, which go on where the run before left them."""
        sums = {}
        for name in CUMULATIVE:
            rate = getattr(drivers, f"{name}_per_s")
            # Of rates below one an event now and then, at instants of their own.
            sums[name] = self._sums[name] + np.floor(np.cumsum(rate, axis=0) + 0.5)
            self._sums[name] = sums[name][-1]
        return sums


def _coming_again(
    served: Served, second: int, drivers: Drivers, rng: np.random.Generator
) -> list[Demand]:
    """Requests that failed or were left, as their clients send them again a moment later."""
    lost = np.concatenate([served.ended["failed"], served.ended["cancelled"]])
    tenant = lost[:, Of.TENANT].astype(np.int64)
    mean = drivers.retries[second, drivers.cluster.pool_of_tenant[tenant]]
    patient = lost[:, Of.TRIES] < MAX_TRIES
    index = np.repeat(np.arange(len(lost)), patient * rng.poisson(mean))
    if not index.size:
        return []
    return [
        Demand(
            at_s=second + 1 + rng.random(index.size),
            tenant=tenant[index],
            prompt=lost[index, Of.PROMPT],
            output=lost[index, Of.OUTPUT],
            limit=lost[index, Of.LIMIT],
            invalid=np.zeros(index.size, np.bool_),
            tries=lost[index, Of.TRIES].astype(np.int64) + 1,
        )
    ]
