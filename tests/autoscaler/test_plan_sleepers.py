"""What a plan makes of replicas that are asleep: two horizons, that of a wake and of a start."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decide import decide, decide_again
from autoscaler.explain import explain
from autoscaler.idle import break_even_s
from autoscaler.lead_time import LeadTime
from autoscaler.planner import Planner
from autoscaler.situation import Situation
from model_backend.settings import BackendSettings
from streams.schemas.scaling import Decision, ReplicaStatus
from streams.stage import Arrival, Tick
from tests.autoscaler.test_decide import situation
from tests.autoscaler.world import ACTING, CODEX, at, decisions_of, pool_status, requests_table


def sleepy(**but: Any) -> Situation:
    """Two replicas of four slots and one asleep, of at most two; demand for two now, three soon."""
    usual = {"asleep": 1, "max_asleep": 2, "wake_s": 2.0, "lead_s": 60.0, "upper": 8.0}
    return situation(**(usual | {"upper_far": 12.0, "high": 9} | but))


@pytest.mark.parametrize(
    ("given", "desired"),
    [
        pytest.param(sleepy(), 2, id="one-asleep-is-enough-for-what-may-come"),
        pytest.param(sleepy(upper=9.0), 3, id="it-is-woken-when-it-may-come-before-it-would-wake"),
        pytest.param(sleepy(queued=5.0), 3, id="or-when-somebody-waits"),
        pytest.param(sleepy(upper_far=13.0), 4, id="beyond-those-there-are-more-are-ordered"),
        pytest.param(sleepy(asleep=0), 3, id="also-where-nobody-sleeps-yet"),
        pytest.param(sleepy(upper_far=24.0), 6, id="as-many-as-there-are-too-few"),
        pytest.param(sleepy(upper=1.0, upper_far=4.0), 1, id="who-is-not-needed-goes-to-sleep"),
        pytest.param(
            sleepy(upper=1.0, upper_far=12.0, asleep=2), 1, id="if-those-asleep-are-enough"
        ),
        pytest.param(
            sleepy(standing=5, upper=1.0, upper_far=16.0, asleep=2), 2, id="and-no-more-than-may"
        ),
        pytest.param(sleepy(max_asleep=0, asleep=0), 2, id="nothing-of-it-where-nobody-can"),
        pytest.param(sleepy(upper=1.0, upper_far=4.0, stalled=True), 2, id="nobody-on-doubt"),
    ],
)
def test_sleepers_are_counted_on_as_far_as_they_go(given: Situation, desired: int) -> None:
    assert decide(given).desired == desired


def test_the_reason_says_why_one_more_is_awake() -> None:
    decision = decide(sleepy(upper_far=13.0))

    assert ", 13 in the 60 s that a start takes, and 1 asleep are too few" in decision.reason
    assert decide_again(decision) == decision
    assert "1 of at most 2 replicas are asleep and serve 2 s after they are woken" in (
        explain(decision).situation
    )


@given(
    standing=st.integers(0, 9),
    asleep=st.integers(0, 4),
    max_asleep=st.integers(1, 4),
    upper=st.floats(0, 60),
    far=st.floats(0, 60),
)
def test_with_those_asleep_there_is_enough_for_both_horizons(
    standing: int, asleep: int, max_asleep: int, upper: float, far: float
) -> None:
    known = {"standing": standing, "asleep": asleep, "max_asleep": max_asleep}
    demand = {"upper": upper, "upper_far": far, "in_flight": 0.0}
    desired = decide(sleepy(**known, **demand, low=0, high=99, gpus_per_hour=999)).desired
    if desired >= standing:
        there = desired + max(0, asleep - (desired - standing))
    else:
        there = desired + max(asleep, min(max_asleep, asleep + standing - desired))

    assert 4 * desired >= upper - 1e-6 or upper < 0.5
    assert 4 * there >= far - 1e-6 or far < 0.5


def test_a_pool_whose_replicas_sleep_goes_to_zero_sooner() -> None:
    assert break_even_s(sleepy()) == 20
    assert break_even_s(sleepy(wake_s=0.0)) == 600


def woken(name: str, second: float, took_s: float) -> ReplicaStatus:
    return ReplicaStatus(
        pool="codex", replica=name, state="ready", at_us=at(second), since_us=at(second),
        ordered_at_us=at(second - took_s), phases_s={"wake": took_s},
    )  # fmt: skip


def test_each_wake_is_learned_once_and_never_as_a_start() -> None:
    lead = LeadTime(prior_s=60)
    for _ in range(3):
        lead.see(woken("codex-1", 100, 2))
    lead.see(woken("codex-1", 200, 4))
    lead.see(woken("codex-1", 300, 4))

    assert (lead.wake_s(), lead.seconds()) == (4, 60)


def planned(**status: Any) -> Decision:
    """By a pool of which one replica has woken in two seconds."""
    pool = CODEX.model_copy(update={"max_asleep": 1, "start_delay_s": 60})
    planner = Planner(ACTING, BackendSettings(pools=(pool,)))
    records: tuple[Any, ...] = (
        pool_status(1, start_delay_s=60.0, **status),
        woken("codex-1", 1, 2),
        requests_table(1, arrived=1, in_flight=1, queued=0),
    )
    arrivals = [
        Arrival(at_us=at(2), id=str(n), topic="pools", record=record)
        for n, record in enumerate(records)
    ]
    return decisions_of(planner.step(Tick(now_us=at(2), arrivals=arrivals)))[0]


@pytest.mark.parametrize(
    ("status", "horizon_s", "wake_s"),
    [
        pytest.param({"max_asleep": 1}, 6, 2, id="they-can"),
        pytest.param({"max_asleep": 0}, 64, 0, id="or-were-said-to-and-cannot"),
    ],
)
def test_a_wake_is_the_horizon_where_replicas_sleep(
    status: dict[str, Any], horizon_s: float, wake_s: float
) -> None:
    decision = planned(**status)

    assert (decision.inputs["horizon_s"], decision.inputs["wake_s"]) == (horizon_s, wake_s)
