"""Benign: a rolling deploy, one replica after the other away for twenty seconds, nothing is worse.

magnitude: replicas away at once.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    pool, at = place.name("pool"), place.onset
    drivers.change(at, "deployed", f"{pool} 1.4.2 deployed", pool=pool)
    step = round(magnitude)
    for first in range(0, place.replicas.size, step):
        for replica in place.replicas[first : first + step]:
            drivers.restart(int(replica), at, 20)
        at += 55


FAULT = Fault(name="ok_deploy", kind="benign", magnitudes=(1.0, 2.0), drive=drive)
