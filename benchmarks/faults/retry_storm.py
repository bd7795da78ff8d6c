"""A moment of slowness, and clients without patience that all send again: it does not go away.

magnitude: how often a request that was given up comes again; the moment is the slower for it.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    moment = slice(place.onset, place.onset + 40)
    drivers.prefill_speed[moment, place.replicas] = 1 / (1 + 3 * magnitude)
    drivers.decode_speed[moment, place.replicas] = 1 / (1 + magnitude)
    drivers.patience_s[place.since, place.pool] = 2.5
    drivers.retries[place.since, place.pool] = magnitude


FAULT = Fault(
    name="retry_storm",
    kind="degradation",
    magnitudes=(4.0, 2.0, 1.0, 0.3, 0.05),
    stated=1,
    subjects=("pool",),
    causes=("retry_storm", "capacity_short"),
    drive=drive,
)
