"""A link between two GPUs of a replica loses lanes: errors are corrected, all talk takes longer.

magnitude: share of the link's speed that is left.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    drivers.nvlink_speed[place.since, place.gpu] = magnitude
    drivers.nvlink_errors_per_s[place.since, place.gpu] += 20 * (1 - magnitude) ** 2


FAULT = Fault(
    name="nvlink_degraded",
    kind="degradation",
    magnitudes=(0.05, 0.15, 0.4, 0.7, 0.95),
    stated=2,
    subjects=("gpu", "replica"),
    causes=("gpu_fault", "replica_slow"),
    drive=drive,
)
