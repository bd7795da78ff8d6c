from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.deadlines import AGREE_S, AIM_RATIO, MOST_STEPS, Backlog, Urgent
from autoscaler.decide import decide, decide_again
from autoscaler.demand import PoolSecond
from autoscaler.explain import explain
from autoscaler.settings import ScalingSettings
from model_backend.settings import PoolSettings
from tests.autoscaler.test_decide import situation
from tests.autoscaler.world import World, at

HOUR_S = 3_600.0
NIGHT = PoolSettings(
    name="codex", service="codex", model="m", role="job", slots=1, start_delay_s=8,
    min_replicas=0, initial_replicas=0, max_replicas=40, deadline_s=1_200,
)  # fmt: skip
AT_ONCE = NIGHT.model_copy(update={"deadline_s": 0.0})


def backlog(*seconds: PoolSecond, deadline_s: float = HOUR_S) -> Backlog:
    found = Backlog(deadline_s)
    for second in seconds:
        found.see(second)
    return found


def came(second: float, jobs: int, **but: Any) -> PoolSecond:
    return PoolSecond(at(second), arrived=jobs, **but)


def urgent(of: Backlog, second: float, service_s: float = 80.0, lead_s: float = 0.0) -> Urgent:
    return of.urgent(at(second), service_s=service_s, lead_s=lead_s)


def test_work_is_spread_over_the_time_it_has() -> None:
    found = urgent(backlog(came(0, 35)), 0)

    assert found == Urgent(slots=35 * 80 / (AIM_RATIO * HOUR_S - 80), jobs=35, within_s=2_880)


def test_what_is_due_first_may_call_for_more_than_all_of_it() -> None:
    found = urgent(backlog(came(0, 10), came(2_700, 1)), 2_700)

    assert found.jobs == 10
    assert found.slots == pytest.approx(10 * 80 / 100)


@pytest.mark.parametrize(
    ("second", "but", "slots"),
    [
        pytest.param(4_000, {}, 7, id="what-is-overdue-is-served-at-once"),
        pytest.param(2_750, {}, 7, id="so-is-what-has-no-time-left-but-its-own"),
        pytest.param(0, {"lead_s": 2_500.0}, 7 * 80 / 300, id="replicas-do-not-come-at-once"),
    ],
)
def test_when_time_runs_out(second: float, but: dict[str, float], slots: float) -> None:
    assert urgent(backlog(came(0, 7)), second, **but).slots == pytest.approx(slots)


@pytest.mark.parametrize(
    ("second", "slots"),
    [
        pytest.param(0, 7 / 2_879, id="none-is-served-yet"),
        pytest.param(700, 7 * 690 / (2_180 - 690), id="the-first-takes-long"),
    ],
)
def test_before_one_has_ended_all_take_as_long_as_the_first(second: float, slots: float) -> None:
    found = backlog(came(0, 7), PoolSecond(at(10), in_flight=1.0))

    assert urgent(found, second, service_s=0.0).slots == pytest.approx(slots)


def test_jobs_that_are_never_done_take_a_bounded_room() -> None:
    found = backlog(*(came(n, 1) for n in range(2 * MOST_STEPS)), deadline_s=10)

    assert (len(found._came), urgent(found, 9_999).jobs) == (MOST_STEPS, 2 * MOST_STEPS)


def test_who_came_first_ends_first() -> None:
    ended = PoolSecond(at(100), finished=3, failed=1, cancelled=1, shed=1)

    assert urgent(backlog(came(0, 5), came(50, 5), ended), 100).jobs == 4


def test_an_empty_backlog_calls_for_nothing() -> None:
    assert urgent(backlog(came(0, 3), PoolSecond(at(1), finished=9)), 2) == Urgent()


def gauges(held: float, seconds: int) -> Sequence[PoolSecond]:
    return [PoolSecond(at(100 + n), queued=held, gauged=True) for n in range(seconds)]


@pytest.mark.parametrize(
    ("held", "seconds", "jobs", "slots"),
    [
        pytest.param(9.0, AGREE_S - 1, 5, 0.145, id="they-may-lag-behind"),
        pytest.param(9.0, AGREE_S, 4, 4.0, id="nobody-knows-how-long-others-waited"),
        pytest.param(2.0, AGREE_S, 2, 0.058, id="some-ended-unheard-of"),
    ],
)
def test_gauges_are_right_in_the_end(held: float, seconds: int, jobs: int, slots: float) -> None:
    found = urgent(backlog(came(0, 5), *gauges(held, seconds)), 120)

    assert found.jobs == jobs
    assert found.slots == pytest.approx(slots, abs=0.01)


@given(
    st.lists(st.tuples(st.integers(0, 3_000), st.integers(1, 20)), min_size=1, max_size=20),
    st.floats(1, 600),
)
def test_serving_the_first_first_in_so_many_slots_meets_every_deadline(
    jobs: list[tuple[int, int]], service_s: float
) -> None:
    now_s = 3_000
    found = backlog(*(came(second, count) for second, count in sorted(jobs)))
    slots = -(-urgent(found, now_s, service_s).slots // 1)
    free_s = [0.0] * int(slots)
    for second, count in sorted(jobs):
        left_s = AIM_RATIO * HOUR_S - (now_s - second)
        for _ in range(count):
            free_s.sort()
            free_s[0] += service_s
            assert free_s[0] <= max(left_s, 2 * service_s) + 1e-6


@pytest.mark.parametrize(
    ("but", "desired"),
    [
        pytest.param({"urgent": 8.0, "upper": 40.0, "queued": 99.0}, 2, id="only-what-is-urgent"),
        pytest.param({"urgent": 8.1}, 3, id="all-of-it"),
        pytest.param({"urgent": 99.0}, 4, id="never-above-the-bounds"),
        pytest.param({"urgent": 0.1}, 1, id="what-may-wait-frees-replicas"),
        pytest.param({"urgent": 0.1, "kept": 8.0}, 1, id="whatever-may-come-soon"),
        pytest.param({"urgent": 0.1, "data_age_s": 6.0}, 2, id="but-not-on-doubt"),
        pytest.param({"urgent": 0.1, "highest_recent": 2}, 2, id="nor-right-after"),
    ],
)
def test_a_pool_whose_jobs_wait_has_what_deadlines_call_for(
    but: dict[str, Any], desired: int
) -> None:
    assert decide(situation(deadline_s=HOUR_S, **but)).desired == desired


def test_the_reason_names_the_jobs_and_their_time() -> None:
    decision = decide(situation(deadline_s=HOUR_S, urgent=8.1, urgent_jobs=35, urgent_within_s=2e3))

    assert decision.reason.startswith(
        "35 jobs due within 2000 s call for 8.1 slots at 4 per replica: 3 replicas; "
    )
    assert decide_again(decision) == decision
    assert any("jobs must have ended within 3600 s" in line for line in explain(decision).situation)


def test_a_crowd_of_jobs_ends_in_time_with_fewer_replicas() -> None:
    crowd = [[20.0] * 30, *([[]] * 1_500)]
    scaling = ScalingSettings(ladder="full", dry_run=False, scale_down_after_s=25)
    waits, hurries = (
        World(pool=pool, scaling=scaling).run(iter(crowd)) for pool in (NIGHT, AT_ONCE)
    )
    ended = max(n for n, d in enumerate(waits.decisions) if d.inputs["in_flight"])

    assert ended <= 1_200
    assert waits.missed == 0
    assert max(waits.ready) == 1
    assert max(hurries.ready) > 20


def test_only_jobs_have_a_deadline() -> None:
    with pytest.raises(ValueError, match="deadline_s must be 0 unless role is job, got 60"):
        PoolSettings(name="codex", service="codex", model="m", deadline_s=60)
