import numpy as np

from autoscaler.backtest.known_rate import KnownRate, mean_loads
from autoscaler.backtest.outcome import Outcome, outcome
from autoscaler.backtest.policy import Shape
from autoscaler.backtest.run import run
from autoscaler.backtest.trace import Trace

SECONDS = 4_500


def rise() -> Trace:
    """Ten slots in use for a while, then more and more, then thirty: requests by chance."""
    rng = np.random.default_rng(5)
    rate = np.interp(np.arange(SECONDS), [1_500, 2_700], [5.0, 15.0])
    counts = rng.poisson(rate)
    arrival_s = np.sort(np.repeat(np.arange(len(rate)), counts) + rng.random(counts.sum()))
    service_s = rng.exponential(2.0, len(arrival_s))
    return Trace(name="rise", arrival_s=arrival_s, service_s=service_s, seconds=len(rate), slots=4)


def lived(margin: float, cold_start_s: int = 300) -> Outcome:
    of = rise()
    shape = Shape(slots=4, cold_start_s=cold_start_s, tick_s=5, age_s=2, high=50)
    return outcome(run(of, shape, lambda shape: KnownRate(shape, mean_loads(of), margin)))


def test_the_mean_of_ten_minutes_knows_no_single_arrival() -> None:
    loads = mean_loads(rise())

    assert np.abs(loads[600:1_000] - 10).max() < 1
    assert np.abs(loads[3_300:4_000] - 30).max() < 1.5


def test_a_rise_that_is_known_is_served_whatever_the_cold_start() -> None:
    assert lived(1.5).missed_ratio < 0.01


def test_a_wider_margin_misses_less_and_costs_more() -> None:
    narrow, wide = lived(0.0), lived(3.0)

    assert wide.missed_ratio < narrow.missed_ratio
    assert wide.gpu_hours > narrow.gpu_hours
