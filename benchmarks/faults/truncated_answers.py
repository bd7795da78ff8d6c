"""One replica cuts its answers: it was started with less room for a sequence than its fellows.

magnitude: tokens at which it does.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    drivers.answer_cap[place.since, place.replica] = magnitude


FAULT = Fault(
    name="truncated_answers",
    kind="degradation",
    magnitudes=(16.0, 50.0, 150.0, 400.0, 1_200.0),
    stated=1,
    subjects=("replica",),
    causes=("replica_differs",),
    drive=drive,
)
