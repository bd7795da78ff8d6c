"""Replicas are taken out of rotation by mistake: the rest cannot serve what comes.

magnitude: share of the pool's replicas.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    gone = round(magnitude * place.replicas.size)
    drivers.routed[place.since, place.replicas[:gone]] = 0


FAULT = Fault(
    name="queue_growth",
    kind="degradation",
    magnitudes=(0.9, 0.75, 0.5, 0.2, 0.0),
    stated=1,
    subjects=("pool",),
    causes=("capacity_short",),
    drive=drive,
)
