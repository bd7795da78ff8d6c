"""A bad deploy: everything works, and slower than before.

magnitude: how many times the usual time everything takes.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    pool = place.name("pool")
    drivers.change(place.onset, "deployed", f"{pool} 1.4.2 deployed", pool=pool)
    drivers.decode_speed[place.since, place.replicas] = 1 / magnitude
    drivers.prefill_speed[place.since, place.replicas] = 1 / magnitude


FAULT = Fault(
    name="deploy_latency",
    kind="degradation",
    magnitudes=(4.0, 2.5, 1.6, 1.2, 1.05),
    stated=1,
    subjects=("pool",),
    causes=("change",),
    drive=drive,
)
