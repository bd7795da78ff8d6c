"""Blocks of the KV cache are never freed: ever less is left for requests.

magnitude: tokens a minute.
"""

import numpy as np

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    since_s = np.arange(drivers.seconds - place.onset)
    drivers.kv_leaked[place.since, place.replica] += magnitude / 60 * since_s


FAULT = Fault(
    name="kv_exhaustion",
    kind="leak",
    magnitudes=(20_000.0, 6_000.0, 2_000.0, 500.0, 50.0),
    stated=2,
    subjects=("replica",),
    causes=("kv_exhausted", "replica_stalled", "replica_slow"),
    drive=drive,
)
