"""The peers' policies against the same policies in an earlier simulator, on an hour of Azure.

Figures of that one, with 12 replicas at the beginning and 14 at most. All of its traces:
``tidegate bench scale --reference``, docs/benchmarks.md.
"""

from functools import cache
from pathlib import Path

import pytest

from autoscaler.backtest.outcome import outcome
from autoscaler.backtest.peers import PEERS
from autoscaler.backtest.policy import Shape
from autoscaler.backtest.run import run
from autoscaler.backtest.trace import Trace, load
from tidegate.demo import data

FILE = Path(data.__path__[0]) / "azure_conv_1h.npz"


@cache
def azure() -> Trace:
    return load(FILE)


@pytest.mark.parametrize(
    ("peer", "setting", "cold_start_s", "gpu_hours", "missed_pct"),
    [
        ("hpa", 0.7, 120, 9.72, 7.9673),
        ("knative", 0.85, 120, 7.35, 16.3626),
        ("keda_queue", 5.0, 300, 10.08, 57.6823),
        ("aibrix", 0.7, 120, 8.62, 57.1864),
        ("ray_serve", 0.85, 120, 8.15, 0.0127),
        ("dynamo", 0.85, 120, 7.94, 8.3084),
        ("predictive_hpa", 0.7, 300, 9.79, 0.0),
        ("staffing", 0.95, 30, 10.1, 0.0),
    ],
)
def test_gpu_hours_within_2_percent_and_misses_within_a_tenth_of_a_point(
    peer: str, setting: float, cold_start_s: int, gpu_hours: float, missed_pct: float
) -> None:
    shape = Shape(slots=azure().slots, cold_start_s=cold_start_s, high=14)

    found = outcome(run(azure(), shape, lambda shape: PEERS[peer].make(shape, setting), 12))

    assert found.gpu_hours == pytest.approx(gpu_hours, rel=0.02)
    assert 100 * found.missed_ratio == pytest.approx(missed_pct, abs=0.1)
