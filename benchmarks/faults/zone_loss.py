"""The network to a zone fails: neither requests nor metrics of its nodes get through.

magnitude: share of the seconds that are lost.
"""

from detectors.laboratory.fault import Drivers, Fault, Place


def drive(drivers: Drivers, place: Place, magnitude: float) -> None:
    cluster = place.cluster
    lost = drivers.rng.random(drivers.seconds - place.onset) < magnitude
    for replica in (cluster.zone_of_replica == place.zone).nonzero()[0]:
        drivers.up[place.since, replica][lost] = 0
    for gpu in (cluster.zone_of_gpu == place.zone).nonzero()[0]:
        drivers.gpu_heard[place.since, gpu][lost] = 0


FAULT = Fault(
    name="zone_loss",
    kind="hard",
    magnitudes=(1.0, 0.7, 0.3, 0.05),
    stated=1,
    subjects=("zone",),
    causes=("replica_frozen", "replica_lost", "zone_lost"),
    drive=drive,
)
