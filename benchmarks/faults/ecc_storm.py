"""Memory of a GPU goes bad: corrected errors rain, one in a thousand is not corrected.

magnitude: corrected errors a second.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    drivers.ecc_corrected_per_s[place.since, place.gpu] += magnitude
    drivers.ecc_uncorrected_per_s[place.since, place.gpu] += magnitude / 1_000


FAULT = Fault(
    name="ecc_storm",
    kind="degradation",
    magnitudes=(200.0, 50.0, 5.0, 0.5, 0.02),
    stated=1,
    subjects=("gpu",),
    causes=("gpu_fault",),
    drive=drive,
)
