"""A bad deploy: from one moment to the next requests fail, while those before still end well.

magnitude: share of the requests that fail.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    pool = place.name("pool")
    drivers.change(place.onset, "deployed", f"{pool} 1.4.2 deployed", pool=pool)
    drivers.error_ratio[place.since, place.replicas] = magnitude


FAULT = Fault(
    name="error_burst",
    kind="degradation",
    magnitudes=(0.9, 0.6, 0.3, 0.1, 0.02),
    stated=1,
    subjects=("pool",),
    causes=("change",),
    drive=drive,
)
