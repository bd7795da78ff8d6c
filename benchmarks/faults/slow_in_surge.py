"""Two at once: traffic doubles and a half, and one replica is slow beyond that.

magnitude: how many times the usual time everything takes there.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    demand, pool = drivers.demand, drivers.cluster.pool_of_tenant
    chosen = (demand.at_s >= place.onset) & (pool[demand.tenant] == place.pool)
    drivers.demand = demand.times(2.5, chosen, drivers.rng)
    drivers.decode_speed[place.since, place.replica] = 1 / magnitude
    drivers.prefill_speed[place.since, place.replica] = 1 / magnitude


FAULT = Fault(
    name="slow_in_surge",
    kind="degradation",
    magnitudes=(6.0, 3.0, 2.2),
    stated=1,
    subjects=("replica", "pool"),
    causes=("replica_slow", "traffic_surge"),
    drive=drive,
)
