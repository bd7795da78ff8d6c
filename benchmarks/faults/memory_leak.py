"""A process keeps what it should give back, until the kernel kills it.

magnitude: MiB a minute.
"""

import numpy as np

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    since_s = np.arange(drivers.seconds - place.onset)
    drivers.rss_leaked_bytes[place.since, place.replica] += magnitude / 60 * 2**20 * since_s


FAULT = Fault(
    name="memory_leak",
    kind="leak",
    magnitudes=(1_500.0, 600.0, 200.0, 60.0, 5.0),
    stated=2,
    subjects=("replica",),
    causes=("memory_leak",),
    pools=("codex", "sora"),
    drive=drive,
)
