"""A bad deploy: a pool answers as fast as ever, and more briefly than it should.

magnitude: share of the usual length that is left.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    pool = place.name("pool")
    drivers.change(place.onset, "deployed", f"{pool} 1.5.0 deployed", pool=pool)
    drivers.answer_scale[place.since, place.replicas] = magnitude


FAULT = Fault(
    name="length_shift",
    kind="degradation",
    magnitudes=(0.1, 0.25, 0.5, 0.75, 0.95),
    stated=0,
    subjects=("pool",),
    causes=("change",),
    drive=drive,
)
