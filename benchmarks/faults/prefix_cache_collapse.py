"""The prefix cache stops helping: every prompt is read anew.

magnitude: share of its hits that are lost.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    drivers.prefix_hits[place.since, place.replicas] *= 1 - magnitude


FAULT = Fault(
    name="prefix_cache_collapse",
    kind="degradation",
    magnitudes=(1.0, 0.7, 0.4, 0.15, 0.03),
    stated=1,
    subjects=("pool", "replica"),
    causes=("prefix_cache",),
    drive=drive,
)
