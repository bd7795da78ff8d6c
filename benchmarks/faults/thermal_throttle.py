"""A fan or a heat sink gives up: one GPU gets hot and holds its clocks back.

magnitude: how well it is still cooled, 1 is usual.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    drivers.cooling[place.since, place.gpu] = magnitude


FAULT = Fault(
    name="thermal_throttle",
    kind="degradation",
    magnitudes=(0.25, 0.35, 0.5, 0.7, 0.9),
    stated=0,
    subjects=("gpu",),
    causes=("gpu_fault",),
    drive=drive,
)
