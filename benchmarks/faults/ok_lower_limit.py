"""Benign: a client lowers ``max_tokens``, so that most of its answers are cut.

magnitude: tokens that it allows from then on.
"""

import numpy as np

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    demand = drivers.demand
    mine = (demand.tenant == place.tenant) & (demand.at_s >= place.onset)
    limit = np.where(mine, np.minimum(demand.limit, magnitude), demand.limit)
    drivers.demand = demand.but(limit=limit, output=np.minimum(demand.output, limit))


FAULT = Fault(name="ok_lower_limit", kind="benign", magnitudes=(16.0, 64.0), drive=drive)
