"""Benign: a holiday's traffic swells over ten minutes to what the pool can still bear.

magnitude: how many times the usual traffic.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    drivers.swell(place.pool, place.onset, 600, magnitude)


FAULT = Fault(
    name="ok_holiday_surge", kind="benign", magnitudes=(1.3, 1.15), drive=drive, lasts_s=780
)
