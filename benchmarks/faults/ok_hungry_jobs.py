"""Benign: jobs come that are so long that a replica has no KV cache for two of them at once.

magnitude: how many of them a replica has in the mean.
"""

from typing import Final

from detectors.laboratory.fault import Drivers, Fault, Place

PROMPT: Final = 8_200.0
STEPS: Final = 400.0
LASTS_S: Final = 50.0
"""Alone; two of them throw each other out until one is through."""


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    per_s = magnitude * place.replicas.size / LASTS_S
    drivers.send(place.tenant, place.onset, per_s, prompt=PROMPT, output=STEPS)


FAULT = Fault(
    name="ok_hungry_jobs",
    kind="benign",
    magnitudes=(0.8, 0.3),
    pools=("sora",),
    lasts_s=480,
    drive=drive,
)
