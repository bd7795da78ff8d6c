"""A deadlock in the engine: the process is there and answers nobody.

magnitude: seconds that it hangs.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    drivers.up[place.onset : place.onset + round(magnitude), place.replica] = 0


FAULT = Fault(
    name="replica_hang",
    kind="hard",
    magnitudes=(60.0, 20.0, 8.0, 3.0, 1.0),
    stated=2,
    subjects=("replica",),
    causes=("replica_frozen", "replica_lost"),
    pools=("codex", "sora"),
    drive=drive,
)
