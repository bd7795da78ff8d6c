"""What the guards promise, in random situations; `make promises` tries 20,000 and a million."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.decide import decide
from autoscaler.demand import PoolSecond
from autoscaler.guards import GUARDS, Guard, explore
from autoscaler.pool_memory import Circumstances, PoolMemory
from autoscaler.settings import ScalingSettings
from autoscaler.situation import Situation
from streams.clock import SECOND_US
from streams.schemas.scaling import PoolStatus
from tests.autoscaler.any_situation import NOON, any_situations
from tests.autoscaler.promises import PROMISES, Promise, decided
from tests.autoscaler.world import CODEX

AT_ONCE = 5_000
TIMES = 50
"""So many situations for each example of hypothesis."""
LOW, HIGH = 1, 8


@cache
def broken(seed: int) -> Mapping[Promise, Sequence[int]]:
    """Promise -> rows of this portion in which it does not hold."""
    of = decided(list(any_situations(seed, AT_ONCE)))
    return {promise: np.flatnonzero(~promise(of)).tolist() for promise in PROMISES}


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_holds_in_random_situations(promise: Promise) -> None:
    portions = max(1, TIMES * settings().max_examples // AT_ONCE)

    assert not any(broken(seed)[promise] for seed in range(portions))


@pytest.mark.parametrize("promise", PROMISES)
def test_a_scaler_that_decides_anything_breaks_each_promise(promise: Promise) -> None:
    of = decided(list(any_situations(0, 2_000)))
    anything = np.random.default_rng(0).integers(-1, 60, len(of.desired))
    nobody = np.zeros(len(anything), bool)

    assert not promise(replace(of, desired=anything, wanted=anything, named=nobody)).all()


@pytest.mark.parametrize("guard", [guard for guard in GUARDS if guard is not explore])
def test_without_a_guard_a_promise_breaks(guard: Guard) -> None:
    others = [other for other in GUARDS if other is not guard]
    of = decided(list(any_situations(0, 2_000)), others)

    assert not all(promise(of).all() for promise in PROMISES)


counts = st.integers(0, 1_000) | st.sampled_from([0, 10**9])
loads = st.floats(0, 100) | st.sampled_from([0.0, 1e6])
seconds = st.builds(
    PoolSecond,
    window_us=st.just(0),
    arrived=counts,
    finished=counts,
    shed=counts,
    late=counts,
    queued=loads,
    in_flight=loads,
    gauged=st.booleans(),
    served_n=counts,
    served_s=loads,
    served_tokens=counts,
)
"""Missing gauges, counters that begin anew, a hundred times the usual: each unlike the last."""
statuses = st.builds(
    PoolStatus,
    pool=st.just(CODEX.name),
    service=st.just(CODEX.service),
    model=st.just(CODEX.model),
    at_us=st.just(NOON),
    desired=st.integers(0, 12),
    ready=st.integers(0, 12),
    starting=st.integers(0, 12),
    min_replicas=st.just(LOW),
    max_replicas=st.just(HIGH),
    start_delay_s=st.sampled_from([0.0, 8.0, 1_000.0]),
)
"""A driver that lies: each time another size, whatever it was told."""
steps_s = st.sampled_from([1, 1, 1, 1, 2, 7, 400, 90_000, -1, -30])
"""Windows follow each other, are missing, or the clock jumps, there and back."""


@given(
    st.lists(st.tuples(steps_s, steps_s, seconds, statuses), min_size=1, max_size=12),
    st.sampled_from([0, 30, 120]),
    st.sampled_from(["shadow", "floor", "full", "full"]),
)
def test_promises_hold_whatever_a_pool_is_told(
    told: Sequence[tuple[int, int, PoolSecond, PoolStatus]], quiet_s: int, ladder: str
) -> None:
    of = decided(lived(told, quiet_s, Circumstances(ladder=ladder, low=LOW, high=HIGH)))  # type: ignore[arg-type]

    assert [promise.__name__ for promise in PROMISES if not promise(of).all()] == []


def lived(
    told: Sequence[tuple[int, int, PoolSecond, PoolStatus]], quiet_s: int, about: Circumstances
) -> list[Situation]:
    """The situations of a pool that was watched in peace for a while, and is then told anything."""
    memory = PoolMemory(CODEX, ScalingSettings(dry_run=False))
    memory.see_seconds(
        [PoolSecond(NOON + s * SECOND_US, in_flight=1.0, gauged=True) for s in range(quiet_s)],
        trusted=True,
    )
    window_us = now_us = NOON + quiet_s * SECOND_US
    situations = []
    for window_step_s, step_s, second, status in told:
        window_us += window_step_s * SECOND_US
        now_us += step_s * SECOND_US
        memory.see_status(status)
        memory.see_seconds([replace(second, window_us=window_us)], trusted=True)
        situations.append(memory.situation(now_us, status, about))
        memory.decided(decide(situations[-1]))
    return situations
