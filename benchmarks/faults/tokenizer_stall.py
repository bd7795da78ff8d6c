"""The tokenizer of a replica stalls: requests wait before the engine sees them.

magnitude: seconds that each waits.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    drivers.before_prefill_s[place.since, place.replica] = magnitude
    drivers.cpu_extra[place.since, place.replica] = 1.0


FAULT = Fault(
    name="tokenizer_stall",
    kind="degradation",
    magnitudes=(12.0, 6.0, 3.0, 1.0, 0.1),
    stated=1,
    subjects=("replica",),
    causes=("replica_slow", "replica_stalled"),
    drive=drive,
)
