"""Two at once: while a harmless deploy goes on, a replica hangs.

magnitude: seconds that it hangs.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    pool = place.name("pool")
    drivers.change(place.onset, "deployed", f"{pool} 1.4.2 deployed", pool=pool)
    drivers.up[place.onset : place.onset + round(magnitude), place.replica] = 0


FAULT = Fault(
    name="hang_during_deploy",
    kind="hard",
    magnitudes=(60.0, 20.0, 8.0, 3.0, 1.0),
    stated=2,
    subjects=("replica",),
    causes=("replica_frozen", "replica_lost"),
    drive=drive,
)
