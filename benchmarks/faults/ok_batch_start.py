"""Benign: a nightly batch begins, and one client sends steadily what the pool can well bear.

magnitude: its requests as a share of the usual ones.
"""

import numpy as np

from detectors.laboratory.fault import Demand, Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    demand, pools = drivers.demand, drivers.cluster.pool_of_tenant
    usual = np.count_nonzero(pools[demand.tenant] == place.pool) / drivers.seconds
    count = int(drivers.rng.poisson(magnitude * usual * (drivers.seconds - place.onset)))
    batch = Demand(
        at_s=np.sort(drivers.rng.uniform(place.onset, drivers.seconds, count)),
        tenant=np.full(count, place.tenant),
        prompt=np.full(count, 600.0),
        output=np.full(count, 120.0),
        invalid=np.zeros(count, np.bool_),
    )
    drivers.demand = demand.and_also(batch)


FAULT = Fault(name="ok_batch_start", kind="benign", magnitudes=(0.3, 0.15), drive=drive)
