"""One replica of many is slow, for whatever reason: a noisy neighbour, a bad NUMA placement.

magnitude: how many times the usual time everything takes there.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    drivers.decode_speed[place.since, place.replica] = 1 / magnitude
    drivers.prefill_speed[place.since, place.replica] = 1 / magnitude


FAULT = Fault(
    name="slow_replica",
    kind="degradation",
    magnitudes=(6.0, 3.0, 2.2, 1.5, 1.1),
    stated=2,
    subjects=("replica",),
    causes=("replica_slow",),
    drive=drive,
)
