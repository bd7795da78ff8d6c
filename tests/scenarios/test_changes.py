"""A rollout as the watcher of Kubernetes tells it, through the real chain: excused, then blamed."""

from collections.abc import Callable

import pytest

from streams.schemas.incidents import Incident
from streams.schemas.telemetry import Change
from streams.sources.kubernetes.line import Line
from streams.sources.kubernetes.workloads import Workload, told_of
from tests.scenarios.chain import Chain
from tests.scenarios.pool_simulation import SECOND_US, START_US, PoolSimulation, traced_arrivals
from tests.streams.kubernetes.cluster import deployment
from tests.streams.kubernetes.test_workloads import seen

SEEDS = (2, 4)
ROLLOUT_S = 60
LINE = Line.of("kubernetes://models?app=chat", {"pool": "codex"}, "local")
OLD = "2025-01-01T00:00:00Z"

Extra = Callable[[int], float]
"""Seconds since the rollout -> how much later each token comes."""


def rollout(now_us: int) -> list[Change]:
    before = seen(deployment("--max-model-len", "8192", at=OLD))
    known: Workload = told_of(None, before, LINE, now_us)[0]
    now = seen(deployment("--max-model-len", "16384", generation=2, at=OLD))
    return told_of(known, now, LINE, now_us)[1]


def run(seed: int, extra_s: Extra, *, watched: bool) -> Chain:
    """A pool that is rolled out; only where Kubernetes is watched does the chain hear of it."""
    pool, chain = PoolSimulation(seed), Chain()
    for at_s, tokens in enumerate(traced_arrivals(seed, ROLLOUT_S + 30)):
        for one in pool.replicas:
            one.extra_s = extra_s(at_s - ROLLOUT_S) if at_s >= ROLLOUT_S else 0.0
        second = pool.step(tokens)
        if watched and at_s == ROLLOUT_S:
            second.changes.extend(rollout(pool.now_us - SECOND_US))
        chain.step(second, pool.now_us)
    return chain


def cold(since_s: int) -> float:
    return 0.4 if 1 <= since_s < 8 else 0.0


def worse(since_s: int) -> float:
    return 0.4 if since_s >= 4 else 0.0


@pytest.mark.parametrize("seed", SEEDS)
def test_caches_that_are_cold_after_a_rollout_are_excused(seed: int) -> None:
    assert run(seed, cold, watched=False).said
    assert not run(seed, cold, watched=True).said


@pytest.mark.parametrize("seed", SEEDS)
def test_what_stays_bad_after_a_rollout_is_blamed_on_it(seed: int) -> None:
    chain = run(seed, worse, watched=True)
    [incident] = chain.incidents.values()
    cause = incident.causes[0]

    assert (cause.kind, incident.subject.name) == ("change", "codex")
    assert cause.sentence.startswith("Deployment chat is rolled out: --max-model-len 8192 -> 16384")
    assert cause.changes == ("local/d-1/2/rolled",)
    assert _told_after_s(incident) < 20


def _told_after_s(incident: Incident) -> float:
    return (incident.opened_at_us - START_US) / SECOND_US - ROLLOUT_S
