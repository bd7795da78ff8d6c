from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decide import decide, decide_again
from autoscaler.demand import PoolSecond
from autoscaler.guards import LEAST_WATCHED_S, STALE_AFTER_S
from autoscaler.idle import Idle, break_even_s
from autoscaler.replica_seconds import ReplicaSecond
from autoscaler.situation import Block, Situation
from model_backend.settings import PoolSettings
from streams.clock import SECOND_US
from tests.autoscaler.world import World, at, poisson

HURT = (Block(incident="INC-7", open_s=60),)
EXPIRED = (Block(incident="INC-7", open_s=1e6),)
NAPS = PoolSettings(
    name="codex", service="codex", model="m", min_replicas=0, max_replicas=3, start_delay_s=8
)


def situation(**but: Any) -> Situation:
    """One replica, nothing asked of it for ten minutes, a start that takes half a minute."""
    usual: dict[str, Any] = {
        "pool": "codex",
        "now_us": at(0),
        "standing": 1,
        "ready": 1,
        "low": 0,
        "high": 3,
        "slots": 4,
        "demand": 0.0,
        "upper": 0.002,
        "service_s": 9.0,
        "lead_s": 30.0,
        "idle_s": 600.0,
        "watched_s": 3_600.0,
        "ladder": "full",
    }
    return Situation(**(usual | but))


NOBODY_THERE = {"standing": 0, "ready": 0, "idle_s": 3_600.0}


@pytest.mark.parametrize(
    ("given", "desired"),
    [
        pytest.param(situation(), 0, id="idle-for-long-enough"),
        pytest.param(situation(idle_s=299), 1, id="a-start-would-cost-more"),
        pytest.param(situation(idle_s=299, zero_after_starts=5), 0, id="who-waits-is-worth-less"),
        pytest.param(situation(service_s=0.0), 0, id="never-asked-for-anything"),
        pytest.param(situation(low=1), 1, id="not-where-it-is-not-allowed"),
        pytest.param(situation(standing=3, ready=3), 0, id="from-several-as-well"),
        pytest.param(situation(standing=3, ready=3, idle_s=9), 1, id="but-one-stays-longest"),
        pytest.param(situation(in_flight=0.01), 1, id="somebody-is-served"),
        pytest.param(situation(queued=0.01), 1, id="somebody-waits"),
        pytest.param(situation(glimpsed=1), 1, id="somebody-came-this-very-moment"),
        pytest.param(situation(upper=0.5), 1, id="somebody-is-forecast"),
        pytest.param(situation(blocks=HURT), 1, id="users-are-hurt"),
        pytest.param(situation(blocks=EXPIRED), 1, id="or-were-and-nobody-looked"),
        pytest.param(situation(stalled=True), 1, id="windows-stand-still"),
        pytest.param(situation(data_age_s=6), 1, id="old-figures"),
        pytest.param(situation(watched_s=59), 1, id="watched-too-shortly"),
        pytest.param(situation(highest_recent=1), 1, id="called-for-lately"),
        pytest.param(situation(**NOBODY_THERE), 0, id="at-zero-it-stays"),
        pytest.param(situation(**NOBODY_THERE, queued=1), 1, id="until-somebody-comes"),
        pytest.param(situation(**NOBODY_THERE, glimpsed=1), 1, id="seen-before-windows-are-final"),
        pytest.param(situation(**NOBODY_THERE, upper=0.9), 1, id="or-is-forecast-to-come"),
        pytest.param(situation(**NOBODY_THERE, upper=0.4), 0, id="less-than-one-is-nobody"),
        pytest.param(situation(**NOBODY_THERE, stalled=True), 0, id="doubt-starts-nothing"),
    ],
)
def test_to_zero_and_from_zero(given: Situation, desired: int) -> None:
    assert decide(given).desired == desired


def test_the_reason_says_since_when_and_why_now() -> None:
    said = "0: idle for 600 s, and after 300 s one costs more than a start"
    assert said in decide(situation()).reason
    assert decide_again(decide(situation())) == decide(situation())


SITUATIONS = st.builds(
    situation,
    standing=st.integers(0, 3),
    upper=st.sampled_from([0.0, 0.1, 0.6, 9.0]),
    in_flight=st.sampled_from([0.0, 0.001, 2.0]),
    queued=st.sampled_from([0.0, 0.001, 5.0]),
    glimpsed=st.sampled_from([0.0, 0.001, 5.0]),
    service_s=st.sampled_from([0.0, 0.1, 9.0]),
    lead_s=st.sampled_from([0.0, 5.0, 30.0, 300.0]),
    zero_after_starts=st.sampled_from([0.0, 1.0, 10.0]),
    idle_s=st.floats(0, 2_000),
    watched_s=st.floats(0, 2_000),
    data_age_s=st.floats(0, 10),
    stalled=st.booleans(),
    highest_recent=st.integers(0, 2),
    blocks=st.sampled_from([(), HURT, EXPIRED]),
    low=st.integers(0, 1),
)


@given(SITUATIONS)
def test_the_last_replica_never_goes_on_doubt_or_under_anybody(given: Situation) -> None:
    doubt = given.stalled or given.data_age_s > STALE_AFTER_S or given.blocks
    there = given.in_flight or given.queued or given.glimpsed
    early = given.idle_s < break_even_s(given) or given.watched_s < LEAST_WATCHED_S
    if given.standing and (doubt or there or early or given.low):
        assert decide(given).desired > 0


@pytest.mark.parametrize(
    "seen",
    [
        {"arrived": 1},
        {"finished": 1},
        {"failed": 1},
        {"cancelled": 1},
        {"shed": 1},
        {"queued": 0.1},
        {"in_flight": 0.1},
    ],
    ids=lambda seen: next(iter(seen)),
)
def test_any_request_ends_an_idle_time(seen: dict[str, Any]) -> None:
    idle = Idle()
    idle.see([PoolSecond(at(0), **seen), PoolSecond(at(1))])

    assert idle.lasts_s(at(61)) == 60


def test_so_does_an_engine_that_others_ask() -> None:
    idle = Idle()
    idle.see([PoolSecond(at(0), arrived=1)])
    idle.see_replicas([ReplicaSecond(window_us=at(30), replica="codex-1", running=1.0)])
    idle.see_replicas([ReplicaSecond(window_us=at(31), replica="codex-1")])

    assert idle.lasts_s(at(61)) == 30


def test_a_pool_sleeps_when_all_have_left_and_wakes_for_the_next() -> None:
    rates = np.concatenate([np.full(200, 0.5), np.zeros(400)])
    traffic = [*poisson(np.random.default_rng(1), rates, lambda: 3.0), [3.0], *([[]] * 30)]
    world = World(pool=NAPS).run(iter(traffic))
    desired = {decision.at_us: decision.desired for decision in world.decisions}

    assert [desired[at(second)] for second in (199, 500, 600, 602)] == [2, 0, 0, 1]
    assert world.ready[-1] == 1


def test_its_idle_time_begins_when_the_last_one_has_left() -> None:
    world = World(pool=NAPS).run(iter([[3.0], *([[]] * 200)]))
    last = next(one for one in reversed(world.decisions) if one.inputs["standing"])

    idle_s = (last.at_us - at(0)) / SECOND_US - last.inputs["idle_s"]
    assert idle_s == pytest.approx(4, abs=1)
    assert last.inputs["idle_s"] >= 80
