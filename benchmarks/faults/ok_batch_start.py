"""Benign: a nightly batch begins, and one client sends steadily what the pool can well bear.

magnitude: its requests as a share of the usual ones.
"""

import numpy as np

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    demand, pools = drivers.demand, drivers.cluster.pool_of_tenant
    usual = np.count_nonzero(pools[demand.tenant] == place.pool) / drivers.seconds
    drivers.send(place.tenant, place.onset, magnitude * usual)


FAULT = Fault(name="ok_batch_start", kind="benign", magnitudes=(0.3, 0.15), drive=drive)
