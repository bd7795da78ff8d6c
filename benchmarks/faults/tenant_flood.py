"""One client sends requests that are refused, in a loop.

magnitude: requests a second.
"""

import numpy as np

from detectors.laboratory.fault import Demand, Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    count = int(drivers.rng.poisson(magnitude * (drivers.seconds - place.onset)))
    flood = Demand(
        at_s=np.sort(drivers.rng.uniform(place.onset, drivers.seconds, count)),
        tenant=np.full(count, place.tenant),
        prompt=np.full(count, 100.0),
        output=np.full(count, 100.0),
        invalid=np.ones(count, np.bool_),
    )
    drivers.demand = drivers.demand.and_also(flood)


FAULT = Fault(
    name="tenant_flood",
    kind="degradation",
    magnitudes=(30.0, 10.0, 4.0, 1.0, 0.1),
    stated=2,
    subjects=("client",),
    causes=("client_errors",),
    pools=("codex", "sora"),
    drive=drive,
)
