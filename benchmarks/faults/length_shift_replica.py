"""The first replica of a rolling deploy answers more briefly than its fellows do.

magnitude: share of the usual length that is left.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    pool, replica = place.name("pool"), place.name("replica")
    said = f"{replica} runs {pool} 1.5.0"
    drivers.change(place.onset, "deployed", said, pool=pool, replica=replica)
    drivers.answer_scale[place.since, place.replica] = magnitude


FAULT = Fault(
    name="length_shift_replica",
    kind="degradation",
    magnitudes=(0.1, 0.25, 0.5, 0.75, 0.95),
    stated=0,
    subjects=("replica",),
    causes=("replica_differs", "change"),
    drive=drive,
)
