"""A metric stands still: the exporter of a replica repeats what it last knew.

magnitude: how many of every ten readings are stale.
"""

from detectors.laboratory.fault import Fault, Place, Readings

STUCK = "inter_token_s", "in_flight", "running", "output_tokens", "kv_use_ratio", "cpu_ratio"


def distort(readings: Readings, place: Place, magnitude: float) -> None:
    engine = readings.series["engine"]
    for second in range(max(place.onset, 1), readings.seconds):
        if second % 10 < magnitude:
            for name in STUCK:
                engine[name][second, place.replica] = engine[name][second - 1, place.replica]


FAULT = Fault(
    name="stuck_metric",
    kind="degradation",
    magnitudes=(10.0, 9.0, 5.0, 1.0),
    stated=0,
    subjects=("replica",),
    causes=("metric_stuck",),
    distort=distort,
)
