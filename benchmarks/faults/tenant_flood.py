"""One client sends requests that are refused, in a loop.

magnitude: requests a second.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    drivers.send(place.tenant, place.onset, magnitude, invalid=True)


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
