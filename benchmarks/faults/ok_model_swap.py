"""Benign: a pool loads another model, which is a little slower and answers at more length.

magnitude: how many times the usual time between tokens.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    pool = place.name("pool")
    drivers.change(place.onset, "model_loaded", f"{pool} has another model", pool=pool)
    drivers.decode_speed[place.since, place.replicas] = 1 / magnitude


FAULT = Fault(name="ok_model_swap", kind="benign", magnitudes=(1.15, 1.05), drive=drive)
