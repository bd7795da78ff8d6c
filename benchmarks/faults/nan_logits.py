"""Logits of one replica are NaN: some answers end at once, others are one token again and again.

magnitude: share of its answers that are so; half of each sort.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    drivers.empty_ratio[place.since, place.replica] = magnitude / 2
    drivers.loop_ratio[place.since, place.replica] = magnitude / 2


FAULT = Fault(
    name="nan_logits",
    kind="degradation",
    magnitudes=(1.0, 0.7, 0.4, 0.15, 0.03),
    stated=1,
    subjects=("replica",),
    causes=("replica_wrong",),
    drive=drive,
)
