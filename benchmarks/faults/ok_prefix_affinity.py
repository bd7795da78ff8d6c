"""Benign: routing begins to keep clients to replicas, for their prefixes; one asks other things.

magnitude: so many times longer are its prompts, and so many times shorter its answers.
"""

import numpy as np

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    demand = drivers.demand
    mine = (demand.tenant == place.tenant) & (demand.at_s >= place.onset)
    longer, shorter = np.where(mine, magnitude, 1.0), np.where(mine, 1 / magnitude, 1.0)
    drivers.demand = demand.but(
        prompt=np.minimum(demand.prompt * longer, 6_000.0),
        output=np.maximum(demand.output * shorter, 2.0),
    )
    drivers.affine[place.since, place.pool] = 1
    drivers.prefix_hits[place.since, place.replicas] = 0.7


FAULT = Fault(name="ok_prefix_affinity", kind="benign", magnitudes=(6.0, 3.0), drive=drive)
