"""What differs without a reason, drawn before a run begins."""

from dataclasses import dataclass

import numpy as np

from detectors.laboratory.drivers import Drivers
from streams.windows.table import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What differs without a reason, [second, series]: heavy-tailed, as measured things are."""

    token: Floats
    hits: Floats
    scrape_s: Floats
    cpu: Floats
    rss: Floats
    power: Floats
    small: Floats
    """Of GPUs, normal."""

    @classmethod
    def drawn(cls, rng: np.random.Generator, drivers: Drivers) -> "Noise":
        replicas = drivers.seconds, drivers.cluster.size
        gpus = drivers.seconds, drivers.cluster.replica_of_gpu.size
        hiccup = np.where(rng.random(replicas) < 0.002, rng.uniform(1.3, 3.0, replicas), 1.0)
        return cls(
            token=np.exp(0.025 * np.clip(rng.standard_t(4, replicas), -6, 6)) * hiccup,
            hits=np.exp(0.2 * rng.standard_normal(replicas)),
            scrape_s=0.008 * rng.lognormal(0, 0.5, replicas),
            cpu=rng.lognormal(0, 0.15, replicas),
            rss=np.cumsum(rng.normal(0, 4e5, replicas), axis=0),
            power=1 + 0.012 * np.clip(rng.standard_t(5, gpus), -6, 6),
            small=rng.normal(0, 1, gpus),
        )
