"""Benign: a client's jobs become so long that a replica has no KV cache for two of them at once.

magnitude: share of its jobs.
"""

import numpy as np

from detectors.laboratory.fault import Drivers, Fault, Place

PROMPT: float = 8_500.0


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    demand = drivers.demand
    mine = (demand.tenant == place.tenant) & (demand.at_s >= place.onset)
    longer = mine & (drivers.rng.random(len(demand)) < magnitude)
    drivers.demand = demand.but(prompt=np.where(longer, PROMPT, demand.prompt))


FAULT = Fault(
    name="ok_hungry_jobs",
    kind="benign",
    magnitudes=(1.0, 0.3),
    pools=("sora",),
    lasts_s=600,
    drive=drive,
)
