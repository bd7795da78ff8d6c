"""Suddenly many more requests arrive.

magnitude: how many times the usual.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    demand, pool = drivers.demand, drivers.cluster.pool_of_tenant
    chosen = (demand.at_s >= place.onset) & (pool[demand.tenant] == place.pool)
    drivers.demand = demand.times(magnitude, chosen, drivers.rng)


FAULT = Fault(
    name="surge",
    kind="degradation",
    magnitudes=(5.0, 3.0, 2.0, 1.4, 1.1),
    stated=1,
    subjects=("pool",),
    causes=("traffic_surge",),
    drive=drive,
)
