"""A moment of slowness, and clients without patience that all send again: it does not go away.

magnitude: how often a request that was given up comes again.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    drivers.prefill_speed[place.onset : place.onset + 40, place.replicas] = 0.1
    drivers.decode_speed[place.onset : place.onset + 40, place.replicas] = 0.3
    drivers.patience_s[place.since, place.pool] = 2.5
    drivers.retries[place.since, place.pool] = magnitude


FAULT = Fault(
    name="retry_storm",
    kind="degradation",
    magnitudes=(4.0, 2.0, 1.0, 0.5),
    stated=1,
    subjects=("pool",),
    causes=("retry_storm", "capacity_short"),
    drive=drive,
)
