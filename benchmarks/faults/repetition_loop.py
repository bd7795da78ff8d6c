"""One replica goes round in circles until its answers reach their limit of tokens.

magnitude: share of its answers that do.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    drivers.loop_ratio[place.since, place.replica] = magnitude


FAULT = Fault(
    name="repetition_loop",
    kind="degradation",
    magnitudes=(1.0, 0.6, 0.3, 0.1, 0.02),
    stated=1,
    subjects=("replica",),
    causes=("replica_wrong",),
    drive=drive,
)
