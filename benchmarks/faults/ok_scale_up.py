"""Benign: traffic rises over two minutes, and a replica is started for it.

magnitude: how many times the usual traffic.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    pool = place.name("pool")
    drivers.change(place.onset, "scaled", f"{pool} scaled", pool=pool)
    drivers.restart(int(place.replicas[-1]), place.onset, 20)
    drivers.swell(place.pool, place.onset, 120, magnitude)


FAULT = Fault(name="ok_scale_up", kind="benign", magnitudes=(1.3, 1.15), drive=drive)
