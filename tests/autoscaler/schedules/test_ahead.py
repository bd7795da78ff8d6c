"""The promise of schedules, kept by the whole planner: ready when it begins, as announced."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.decide import decide, repeats
from autoscaler.forecasters import FORECASTERS
from autoscaler.forecasters.blend import Blend
from autoscaler.planner import Planner
from autoscaler.scheduled import Scheduled
from autoscaler.schedules.settings import ScheduleSettings
from autoscaler.situation import Order
from model_backend.settings import BackendSettings
from streams.clock import SECOND_US
from streams.codec import encode_record
from streams.errors import InvalidParameterError
from streams.schemas.incidents import Rule
from streams.stage import Tick
from tests.autoscaler.test_decide import HURT, situation
from tests.autoscaler.world import ACTING, CODEX, START_US, World, at, poisson

HUGE = CODEX.model_copy(update={"max_replicas": 20})
BEGINS_S, ENDS_S = 300, 500


def instant(second: int) -> str:
    return str(np.datetime64(at(second), "us")) + "+00:00"


def launch(**promised: Any) -> ScheduleSettings:
    return ScheduleSettings(
        pool="codex",
        name="launch",
        starts_at=instant(BEGINS_S),
        ends_at=instant(ENDS_S),
        **promised,
    )


def quiet(seconds: int, seed: int = 1) -> Iterator[list[float]]:
    rng = np.random.default_rng(seed)
    return poisson(rng, np.full(seconds, 0.5), lambda: 1.0)


def world(seconds: int = 600, seed: int = 1, **promised: Any) -> World:
    scaling = ACTING.model_copy(update={"schedules": (launch(**promised),)})
    return World(pool=HUGE, scaling=scaling).run(quiet(seconds, seed))


def test_replicas_are_ready_when_it_begins_and_until_it_ends() -> None:
    ready = world(min_replicas=6).ready

    assert min(ready[BEGINS_S:ENDS_S]) >= 6
    assert max(ready[: BEGINS_S - 60]) < 6
    assert ready[-1] < 6


def test_expected_demand_is_there_before_it_comes_and_gone_after() -> None:
    by_rate = world(rate_per_s=12.0)
    ready = by_rate.ready

    assert ready[BEGINS_S] * HUGE.slots >= 12
    assert ready[-1] < ready[BEGINS_S]
    assert "slots of demand are expected by schedule launch of settings" in _reasons(by_rate)


def test_times_the_usual_is_times_the_usual_and_does_not_feed_on_itself() -> None:
    rng = np.random.default_rng(2)
    rates = np.full(600, 2.0)
    rates[BEGINS_S:ENDS_S] *= 3
    scaling = ACTING.model_copy(update={"schedules": (launch(times=3.0),)})
    live = World(pool=HUGE, scaling=scaling).run(poisson(rng, rates, lambda: 1.0))
    expected = [one.inputs.get("scheduled_slots", 0.0) for one in live.decisions]

    usual = expected[BEGINS_S] / 3
    assert 1 < usual < 12
    assert max(expected) == pytest.approx(min(one for one in expected if one), rel=0.05)


def test_a_most_holds_back_what_demand_calls_for() -> None:
    rng = np.random.default_rng(3)
    scaling = ACTING.model_copy(update={"schedules": (launch(max_replicas=2),)})
    live = World(pool=HUGE, scaling=scaling).run(poisson(rng, np.full(450, 6.0), lambda: 1.0))

    assert max(live.ready[: BEGINS_S - 10]) > 2
    assert max(one.desired for one in live.decisions[BEGINS_S:]) <= 2


def test_decisions_under_a_schedule_repeat_to_the_byte() -> None:
    assert all(repeats(encode_record(one)) for one in world(min_replicas=4, times=2.0).decisions)


def test_schedules_of_the_settings_are_told_as_rules_once() -> None:
    scaling = ACTING.model_copy(update={"schedules": (launch(min_replicas=2),)})
    planner = Planner(scaling, BackendSettings(pools=(HUGE,)))
    told = [planner.step(Tick(now_us=at(second))).out for second in (1, 2)]
    rules = [out.value for out in told[0] if isinstance(out.value, Rule)]

    assert [(rule.actor, rule.name, rule.kind) for rule in rules] == [
        ("settings", "launch", "schedule")
    ]
    assert told[1] == []


@pytest.mark.parametrize(
    ("but", "says"),
    [
        ({"pool": "nope"}, "must be names of backend.pools"),
        ({"min_replicas": 21}, "the bounds of pool codex, got 21"),
    ],
)
def test_schedules_of_the_settings_that_cannot_be_are_told_at_the_start(
    but: dict[str, Any], says: str
) -> None:
    wrong = launch(min_replicas=2).model_copy(update=but)
    scaling = ACTING.model_copy(update={"schedules": (wrong,)})
    with pytest.raises(InvalidParameterError, match=says):
        Planner(scaling, BackendSettings(pools=(HUGE,)))


bounds = st.integers(0, 12)


@settings(max_examples=500, deadline=None)
@given(
    standing=bounds,
    sizes=st.tuples(bounds, bounds).map(sorted),
    said=st.tuples(bounds, st.none() | bounds),
    upper=st.floats(0, 60),
    backlog=st.floats(0, 60),
    stalled=st.booleans(),
    ordered=st.integers(0, 64),
    hurt=st.booleans(),
    order=st.none() | bounds,
)
def test_within_the_settings_what_was_scheduled_holds_unless_a_person_says_otherwise(
    standing: int,
    sizes: list[int],
    said: tuple[int, int | None],
    upper: float,
    backlog: float,
    stalled: bool,
    ordered: int,
    hurt: bool,
    order: int | None,
) -> None:
    (low, high), (least, most) = sizes, said
    most = None if most is None else max(most, least)
    given_ = situation(
        standing=standing, low=low, high=high, upper=upper, queued=backlog, stalled=stalled,
        gpus_ordered=ordered, blocks=HURT if hurt else (),
        scheduled=Scheduled(low=least, high=most, why="a launch"),
    )  # fmt: skip
    desired = decide(given_).desired
    assert (
        min(max(least, low), high) <= desired <= max(low, min(high, high if most is None else most))
    )
    if order is not None:
        ordered_ = replace(given_, order=Order(kind="override", replicas=order, actor="ann"))
        assert decide(ordered_).desired == min(max(order, low), high)


@settings(max_examples=100, deadline=None)
@given(
    demands=st.lists(st.floats(0, 500), min_size=1, max_size=200),
    horizon_s=st.integers(1, 600),
    expected=st.floats(0, 2_000),
)
def test_what_people_expect_never_lowers_a_forecast(
    demands: list[float], horizon_s: int, expected: float
) -> None:
    blend = Blend({name: make() for name, make in FORECASTERS.items()})
    for second, demand in enumerate(demands, START_US // SECOND_US):
        blend.observe(second * SECOND_US, demand)
    asked = (0.1, 0.5, 0.9, 0.99)
    alone = blend.forecast(horizon_s, asked)
    told = blend.forecast(horizon_s, asked, expected)

    assert all(one >= other for one, other in zip(told, alone, strict=True))
    assert told == sorted(told)
    assert blend.forecast(horizon_s, asked) == alone


def _reasons(live: World) -> str:
    return " ".join(one.reason for one in live.decisions)
