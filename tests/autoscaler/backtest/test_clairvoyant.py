import numpy as np
import pytest

from autoscaler.backtest.clairvoyant import Clairvoyant, blocks, busy_peaks, calm, plan
from autoscaler.backtest.outcome import Outcome, outcome, reversals
from autoscaler.backtest.peers import PEERS
from autoscaler.backtest.policy import Shape
from autoscaler.backtest.run import run
from autoscaler.backtest.trace import Trace

RNG = np.random.default_rng(11)
SHAPE = Shape(slots=4, cold_start_s=60, high=50)


@pytest.fixture(scope="module")
def tide() -> Trace:
    """A quarter of an hour in which the load trebles and falls again."""
    rate = 2 + 1.5 * np.sin(np.arange(900) / 100)
    counts = RNG.poisson(rate)
    arrival_s = np.sort(np.repeat(np.arange(900), counts) + RNG.random(counts.sum()))
    service_s = RNG.exponential(2.0, len(arrival_s))
    return Trace(name="tide", arrival_s=arrival_s, service_s=service_s, seconds=900, slots=4)


def test_peaks_are_those_of_a_pool_in_which_nobody_waits() -> None:
    of = Trace(
        name="t",
        arrival_s=np.array([0.1, 0.2, 1.5]),
        service_s=np.array([0.5, 2.0, 0.1]),
        seconds=4,
        slots=1,
    )

    assert busy_peaks(of).tolist() == [2, 2, 1, 0]


def followed(of: Trace, price_s: float) -> Outcome:
    ordered = plan(blocks(of, SHAPE.slo_queue_s), price_s, SHAPE.cold_start_s)
    return outcome(run(of, SHAPE, lambda _: Clairvoyant(ordered)))


def test_a_dearer_miss_is_missed_less_and_costs_more(tide: Trace) -> None:
    cheap, dear = followed(tide, 0.4), followed(tide, 10.0)

    assert cheap.missed_ratio > dear.missed_ratio
    assert cheap.gpu_hours < dear.gpu_hours


def test_a_calm_plan_never_has_fewer_replicas_and_turns_round_less(tide: Trace) -> None:
    ordered = plan(blocks(tide, SHAPE.slo_queue_s), 2.5, cold_start_s=0)

    rested = calm(ordered, 120)

    assert np.all(rested >= ordered)
    assert rested.max() == ordered.max()
    assert reversals(rested) < reversals(ordered)


def test_no_peer_undercuts_it(tide: Trace) -> None:
    bound = followed(tide, 10.0)
    assert bound.missed_ratio < 0.002

    for peer in PEERS.values():
        found = outcome(run(tide, SHAPE, lambda shape, p=peer: p.make(shape, p.usual)))  # type: ignore[misc]
        assert found.gpu_hours > bound.gpu_hours or found.missed_ratio > bound.missed_ratio
