"""The clock of a node runs behind: what it says of its replicas is late, and not counted.

magnitude: seconds.
"""

import numpy as np

from detectors.laboratory.fault import Fault, Place, Readings
from streams.settings import WindowSettings


def distort(readings: Readings, place: Place, magnitude: float) -> None:
    cluster, shift = place.cluster, round(magnitude)
    if shift == 0:
        return
    node = cluster.node_of_gpu[place.gpu]
    gpus = np.flatnonzero(cluster.node_of_gpu == node)
    for kind, who in {"engine": np.unique(cluster.replica_of_gpu[gpus]), "gpu": gpus}.items():
        if magnitude > WindowSettings().lateness_s:
            readings.present[kind][place.since, who] = False
            continue
        for values in readings.series[kind].values():
            # The newest readings of the run would come after its end.
            values[place.onset : -shift, who] = values[place.onset + shift :, who]


FAULT = Fault(
    name="clock_skew",
    kind="degradation",
    magnitudes=(60.0, 5.0, 2.0, 1.0),
    stated=1,
    subjects=("replica", "node"),
    causes=("silent_metrics",),
    distort=distort,
)
