"""Requests stop coming: a load balancer, a certificate, a client's release.

magnitude: share that still comes.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    demand, pool = drivers.demand, drivers.cluster.pool_of_tenant
    chosen = (demand.at_s >= place.onset) & (pool[demand.tenant] == place.pool)
    drivers.demand = demand.times(magnitude, chosen, drivers.rng)


FAULT = Fault(
    name="traffic_drop",
    kind="degradation",
    magnitudes=(0.0, 0.1, 0.3, 0.6, 0.9),
    stated=1,
    subjects=("pool",),
    causes=("traffic_drop",),
    drive=drive,
)
