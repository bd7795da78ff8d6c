"""A node's power supply is weak: the board's power limit falls.

magnitude: share of the usual limit that is left.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    drivers.power_limit[place.since, place.gpu] = magnitude


FAULT = Fault(
    name="power_throttle",
    kind="degradation",
    magnitudes=(0.25, 0.35, 0.5, 0.7, 0.97),
    stated=2,
    subjects=("gpu", "replica"),
    causes=("gpu_fault", "replica_slow"),
    drive=drive,
)
