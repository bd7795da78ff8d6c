"""Benign: a client asks for short answers from one second to the next.

magnitude: share of the usual length that is left of them.
"""

import numpy as np

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    demand = drivers.demand
    mine = (demand.tenant == place.tenant) & (demand.at_s >= place.onset)
    output = np.where(mine, np.maximum(demand.output * magnitude, 2.0), demand.output)
    drivers.demand = demand.but(output=output)


FAULT = Fault(name="ok_short_answers", kind="benign", magnitudes=(0.1, 0.3), drive=drive)
