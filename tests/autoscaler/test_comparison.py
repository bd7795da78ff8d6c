"""Days under the present scaler against the plan: what it cost, what was missed, the worst."""

from typing import Any

import pytest

from autoscaler.comparison import DAY_S, DayByDay
from autoscaler.demand import PoolSecond
from autoscaler.fleet import Terms
from autoscaler.planner import Planner
from model_backend.settings import BackendSettings
from streams.clock import SECOND_US
from streams.schemas.comparison import Comparison
from streams.schemas.scaling import Decision
from tests.autoscaler.test_planner import busy, tick
from tests.autoscaler.world import ACTING, CODEX, pool_status

TERMS = Terms(
    slots=4, service_s=2.0, lead_s=60.0, slo_queue_s=1.0, target_ratio=0.7,
    scale_down_after_s=300.0, low=1, high=9,
)  # fmt: skip
NOON_S = 20_000 * DAY_S + DAY_S // 2


def decision(wanted: int, **but: Any) -> Decision:
    usual: dict[str, Any] = {
        "id": "d", "at_us": 0, "cluster": "local", "pool": "codex", "current": 1, "desired": 1,
        "proposed": 1, "reason": "", "ladder": "shadow", "wanted": wanted,
    }  # fmt: skip
    return Decision(**(usual | but))


def live(days: DayByDay, seconds: range, arrived: int, ready: int, wanted: int, **but: Any) -> None:
    days.decided(decision(wanted, **but))
    status = pool_status(0, ready=ready, desired=ready)
    for second in seconds:
        days.second(PoolSecond(second * SECOND_US, arrived=arrived), status, TERMS, gpus=2)


def told(days: DayByDay, at_s: int) -> list[Comparison]:
    return [*days.told("local", "codex", at_s * SECOND_US)]


def test_gpu_hours_of_both_are_told_while_the_plan_does_not_act() -> None:
    days = DayByDay()
    live(days, range(NOON_S, NOON_S + 3_600), arrived=2, ready=3, wanted=1)
    (today,) = told(days, NOON_S + 3_600)

    assert (today.id, today.hours, today.arrived) == ("local/codex/2024-10-04", 1.0, 7_200)
    assert (today.present.gpu_hours, today.planned.gpu_hours) == (6.0, 2.0)
    assert today.sentence == (
        "on 2024-10-04 (1 h) the plan would have used 2 instead of 6 GPU-hours (-67 %) and missed "
        "about 0.00% instead of 0.00% of 7,200 requests; in its worst ten minutes none instead of "
        "none"
    )


def test_replicas_of_the_plan_come_a_lead_time_after_their_order() -> None:
    days = DayByDay()
    live(days, range(NOON_S, NOON_S + 600), arrived=6, ready=1, wanted=4)
    live(days, range(NOON_S + 600, NOON_S + 1_200), arrived=6, ready=1, wanted=4)
    (today,) = told(days, NOON_S + 1_200)

    assert 600 < today.planned.missed < 700
    assert today.present.missed > 3_000
    assert today.planned.worst_at_us == NOON_S * SECOND_US
    assert today.present.worst_missed_ratio > today.planned.worst_missed_ratio > 0


def test_a_day_that_is_over_is_told_once_and_the_next_begins_with_nothing() -> None:
    days, midnight_s = DayByDay(), NOON_S + DAY_S // 2
    live(days, range(midnight_s - 10, midnight_s + 10), arrived=1, ready=1, wanted=1)
    found = told(days, midnight_s + 10)

    assert [(one.day, one.arrived) for one in found] == [("2024-10-04", 10), ("2024-10-05", 10)]
    assert told(days, midnight_s + 11) == []


def test_today_is_told_again_every_hour_if_there_is_more_to_tell() -> None:
    days, found = DayByDay(), []
    for begins_s, ends_s in ((0, 10), (10, 20), (20, 3_601), (3_601, 3_601), (7_201, 7_201)):
        live(days, range(NOON_S + begins_s, NOON_S + ends_s), arrived=1, ready=1, wanted=1)
        found.append([one.arrived for one in told(days, NOON_S + ends_s)])

    assert found == [[10], [], [3_601], [], []]


@pytest.mark.parametrize(
    "but", [{"ladder": "full"}, {"ladder": "floor"}], ids=["acts-fully", "may-raise"]
)
def test_nothing_is_compared_while_the_planner_acts(but: dict[str, Any]) -> None:
    days = DayByDay()
    live(days, range(NOON_S, NOON_S + 60), arrived=1, ready=1, wanted=1, **but)

    assert told(days, NOON_S + 60) == []


def test_a_dry_run_is_compared() -> None:
    days = DayByDay()
    live(days, range(NOON_S, NOON_S + 60), 1, 1, 1, ladder="full", dry_run=True)

    assert [one.ladder for one in told(days, NOON_S + 60)] == ["full"]


def test_the_planner_tells_of_a_pool_in_shadow() -> None:
    shadow = ACTING.model_copy(update={"ladder": "shadow"})
    one = Planner(shadow, BackendSettings(pools=(CODEX,)))
    found = [
        out
        for second in range(30)
        for out in one.step(tick(second + 1, pool_status(second), busy(second))).out
        if out.topic == "comparisons"
    ]

    assert [out.key for out in found] == ["local/codex/2023-11-14"]
