"""What every peer's policy must keep, over the table."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import autoscaler.backtest.peers
from autoscaler.backtest.peers import PEERS, Peer
from autoscaler.backtest.policy import Shape
from autoscaler.backtest.run import Run, run
from autoscaler.backtest.trace import Trace

SHAPE = Shape(slots=4, cold_start_s=30, high=40)
NOT_POLICIES = {"__init__", "behaviour"}


def trace(rate_per_s: Callable[[float], float], seconds: int = 600) -> Trace:
    """Requests of two seconds, evenly at a rate that may change."""
    due = np.floor(np.cumsum([rate_per_s(second) for second in range(seconds)]))
    counts = np.diff(due, prepend=0).astype(int)
    arrival_s = np.repeat(np.arange(seconds, dtype=float), counts) + 0.5
    return Trace(
        name="even",
        arrival_s=arrival_s,
        service_s=np.full(len(arrival_s), 2.0),
        seconds=seconds,
        slots=4,
    )


@pytest.fixture(params=PEERS)
def peer(request: pytest.FixtureRequest) -> Peer:
    return PEERS[request.param]


def played(peer: Peer, of: Trace, first: int = 8) -> Run:
    return run(of, SHAPE, lambda shape: peer.make(shape, peer.usual), first)


def test_each_stands_in_a_file_of_its_own() -> None:
    files = {path.stem for path in Path(autoscaler.backtest.peers.__file__).parent.glob("*.py")}
    modules = {peer.make.__module__.rpartition(".")[2] for peer in PEERS.values()}

    assert files - NOT_POLICIES == modules


def test_each_says_where_its_rules_come_from(peer: Peer) -> None:
    told = peer.make.__doc__ or ""

    assert "Source: " in told or "The same" in told  # as the class it is derived from


def test_the_same_past_gives_the_same_decisions(peer: Peer) -> None:
    of = trace(lambda second: 2 + 1.5 * np.sin(second / 100))

    assert np.array_equal(played(peer, of).ordered, played(peer, of).ordered)


def test_no_demand_is_survived_and_costs_little(peer: Peer) -> None:
    ordered = played(peer, trace(lambda _: 0.0)).ordered

    assert ordered[-1] <= 8
    assert ordered.min() >= 1


def test_a_load_that_outgrows_the_pool_makes_it_grow(peer: Peer) -> None:
    ordered = played(peer, trace(lambda second: 1.0 if second < 120 else 10.0), first=2).ordered

    assert 2 < ordered.max() <= SHAPE.high


def test_more_headroom_does_not_cost_less(peer: Peer) -> None:
    of = trace(lambda second: 3 + 2 * np.sin(second / 50))
    paid = [
        int(run(of, SHAPE, lambda shape, s=setting: peer.make(shape, s), 4).paid.sum())  # type: ignore[misc]
        for setting in (peer.settings[0], peer.settings[-1])
    ]

    assert paid[0] >= paid[1]
