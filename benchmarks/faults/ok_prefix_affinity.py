"""Benign: routing begins to keep clients to replicas, for their prefixes, and clients differ.

magnitude: so many times longer prompts, and shorter answers, every second client has; the others
the other way round.
"""

import numpy as np

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    demand, pool = drivers.demand, drivers.cluster.pool_of_tenant
    mine = (demand.at_s >= place.onset) & (pool[demand.tenant] == place.pool)
    times = np.where(mine, magnitude ** np.where(demand.tenant % 2, -1.0, 1.0), 1.0)
    drivers.demand = demand.but(
        prompt=np.clip(demand.prompt * times, 4.0, 6_000.0),
        output=np.clip(demand.output / times, 2.0, demand.limit),
    )
    drivers.affine[place.since, place.pool] = 1
    drivers.prefix_hits[place.since, place.replicas] = 0.7


FAULT = Fault(name="ok_prefix_affinity", kind="benign", magnitudes=(3.0, 2.0), drive=drive)
