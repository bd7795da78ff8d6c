"""A GPU falls off the bus: an XID in the driver's log, then its replica answers nobody.

magnitude: seconds that it hangs.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    drivers.xid[place.onset, place.gpu] = 79
    drivers.up[place.onset : place.onset + round(magnitude), place.replica] = 0


FAULT = Fault(
    name="xid_hang",
    kind="hard",
    magnitudes=(60.0, 20.0, 8.0, 1.0),
    stated=2,
    subjects=("gpu", "replica"),
    causes=("gpu_fault", "replica_frozen", "replica_lost"),
    pools=("codex", "sora"),
    drive=drive,
)
