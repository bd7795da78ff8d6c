"""A day (an hour a minute) and single bursts through the whole planner and a simulated pool."""

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from model_backend.settings import PoolSettings
from tests.autoscaler.world import CODEX, World, poisson
from tidegate.demo.trace import Pace, plan

DAY_S = 1_440
SORA = CODEX.model_copy(
    update={"name": "sora", "slots": 1, "max_replicas": 2, "start_delay_s": 6, "slo_queue_s": 10}
)


@pytest.fixture(scope="module", params=[True, False], ids=["paced", "shared"])
def a_day(request: pytest.FixtureRequest) -> World:
    """Quiet nights, a busy noon; each request is a second of work on its own, more or less."""
    rng = np.random.default_rng(1)
    rates = 0.9 - 0.7 * np.cos(np.arange(DAY_S) / DAY_S * 2 * math.pi)
    return World(paced=request.param).run(poisson(rng, rates, lambda: float(rng.exponential(1.0))))


def test_a_day_is_served_within_the_budget(a_day: World) -> None:
    assert a_day.missed <= 0.01 * a_day.arrived


def test_a_day_costs_less_than_the_largest_pool(a_day: World) -> None:
    assert np.mean(a_day.ready) < 0.75 * CODEX.max_replicas


def test_a_day_misses_fewer_than_a_reactive_scaler_would_or_half_its_budget(a_day: World) -> None:
    """A budget is there to be spent: what a reactive scaler spares here it pays for in replicas."""
    reactive = sum(decision.reactive_missed for decision in a_day.decisions)

    assert a_day.missed < max(reactive, 0.005 * a_day.arrived)


def test_a_pool_does_not_flap(a_day: World) -> None:
    assert a_day.reversals <= 12


def test_night_and_noon_are_told_apart(a_day: World) -> None:
    assert min(a_day.ready[-60:]) == 1
    assert max(a_day.ready[600:840]) == 3


def test_every_change_of_size_says_why(a_day: World) -> None:
    changes = [b for a, b in pairwise(a_day.decisions) if a.desired != b.desired]

    assert changes
    assert all("replica" in decision.reason for decision in changes)


@pytest.mark.parametrize(
    ("pool", "quiet_per_s", "busy_per_s", "work_s"),
    [
        pytest.param(CODEX, 0.1, 1.6, 1.0, id="codex"),
        pytest.param(SORA, 0.02, 0.35, 4.5, id="sora"),
    ],
)
def test_a_pool_grows_under_load_and_shrinks_after(
    pool: PoolSettings, quiet_per_s: float, busy_per_s: float, work_s: float
) -> None:
    rng = np.random.default_rng(3)
    rates = np.repeat([quiet_per_s, busy_per_s, quiet_per_s], [70, 60, 120])
    world = World(pool).run(poisson(rng, rates, lambda: work_s))

    assert world.ready[69] == 1
    assert max(world.ready[70:100]) >= 2
    assert world.ready[-1] == 1


def of_the_demo(seed: int, service: str, pace: Pace) -> Iterator[list[float]]:
    """Three minutes of what `up` sends: seconds of work on its own, of each second's requests."""
    works: list[list[float]] = [[] for _ in range(180)]
    for request in plan(pace, seed):
        if request.at_s >= len(works):
            break
        video_s = 3.2 if request.seconds == "4" else 6.0
        work_s = request.output_tokens / (12 * pace.codex_per_s) if service == "codex" else video_s
        works[int(request.at_s)] += [work_s] if request.service == service else []
    return iter(works)


TWO_TO_BEGIN_WITH = CODEX.model_copy(update={"initial_replicas": 2})


@pytest.mark.parametrize(
    ("pool", "tokens_per_s"),
    [
        pytest.param(TWO_TO_BEGIN_WITH, 12, id="codex-as-planned"),
        pytest.param(TWO_TO_BEGIN_WITH, 5.7, id="codex-on-a-slow-machine"),
        pytest.param(SORA, 12, id="sora-as-planned"),
        pytest.param(SORA, 5.7, id="sora-on-a-slow-machine"),
    ],
)
def test_three_minutes_of_the_demo_show_a_pool_grow_and_shrink(
    pool: PoolSettings, tokens_per_s: float
) -> None:
    pace = Pace(codex_per_s=tokens_per_s / 12)
    worlds = [World(pool, paced=True).run(of_the_demo(s, pool.name, pace)) for s in range(5)]
    steps = [np.diff(world.ready) for world in worlds]

    assert sum(bool((step > 0).any() and (step < 0).any()) for step in steps) >= 4
