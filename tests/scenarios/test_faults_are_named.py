"""Raw records to incidents through the real pure chain: INGEST, WATCH on every shard, RESPOND."""

from collections.abc import Callable

import pytest

from streams.clock import SECOND_US
from tests.scenarios.chain import Chain
from tests.scenarios.pool_simulation import PoolSimulation, traced_arrivals

SEEDS = (2, 4)
FAULT_S = 45

Fault = Callable[[PoolSimulation, int], int]
"""Called every second with the seconds since onset; returns how many times the usual traffic."""


def run(seed: int, fault: Fault | None, *, seconds: int, replicas: int = 2) -> Chain:
    simulation, chain = PoolSimulation(seed, replicas=replicas), Chain(shards=2)
    for at_s, tokens in enumerate(traced_arrivals(seed, seconds)):
        times = fault(simulation, at_s - FAULT_S) if fault and at_s >= FAULT_S else 1
        second = simulation.step([one for one in tokens for _ in range(times)])
        chain.step(second, simulation.now_us)
    return chain


def breathe(simulation: PoolSimulation, at_s: int) -> int:
    """Grow and shrink as a scaler would."""
    at_s += FAULT_S
    if at_s % 30 == 0:
        simulation.scale([3, 2, 3, 1, 2, 3, 2][at_s // 30 % 7])
    return 1


def freeze(simulation: PoolSimulation, since_s: int) -> int:
    if since_s == 0:
        simulation.replica("codex-2").frozen = True
    if since_s == 12:
        simulation.kill("codex-2")
        simulation.scale(2)
    return 1


def kill(simulation: PoolSimulation, since_s: int) -> int:
    if since_s == 0:
        simulation.kill("codex-2")
        simulation.scale(2)
    return 1


def surge(_: PoolSimulation, since_s: int) -> int:
    return 4 if since_s < 25 else 1


def flood(simulation: PoolSimulation, since_s: int) -> int:
    simulation.flood = "dune" if since_s < 22 else ""
    return 1


def leak(simulation: PoolSimulation, since_s: int) -> int:
    simulation.replica("codex-1").extra_s = min(0.08 * (since_s + 1), 1.2) if since_s < 24 else 0
    return 1


FAULTS = [
    pytest.param(freeze, "replica_frozen", "codex-2", id="freeze"),
    pytest.param(kill, "replica_lost", "codex-2", id="kill"),
    pytest.param(surge, "traffic_surge", "codex", id="surge"),
    pytest.param(flood, "client_errors", "dune", id="flood"),
    pytest.param(leak, "replica_slow", "codex-1", id="leak"),
]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("fault", "kind", "subject"), FAULTS)
def test_a_fault_is_named_in_time(seed: int, fault: Fault, kind: str, subject: str) -> None:
    chain = run(seed, fault, seconds=FAULT_S + 30)
    onset_us = PoolSimulation(seed).now_us + FAULT_S * SECOND_US
    named_s = [
        (us - onset_us) / SECOND_US for (_, name), us in chain.seen_us.items() if name == subject
    ]
    kinds = [i.causes[0].kind for i in chain.incidents.values() if i.subject.name == subject]
    assert min(named_s, default=99) <= 15, [i.title for i in chain.incidents.values()]
    assert kinds == [kind]


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_found_where_nothing_is_wrong(seed: int) -> None:
    assert [i.title for i in run(seed, breathe, seconds=180).incidents.values()] == []
