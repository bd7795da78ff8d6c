"""What schedules call for: ahead of time, together, and never less than each promises."""

from itertools import islice

from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.schedules.calendar import Calendar, Moment
from autoscaler.schedules.spans import spans
from streams.clock import SECOND_US
from streams.schemas.incidents import Rule
from streams.schemas.schedules import Schedule
from tests.autoscaler.schedules.test_spans import again
from tests.autoscaler.world import at

AHEAD_S = 90.0


def rule(schedule: Schedule, name: str = "launch") -> Rule:
    return Rule(
        id=f"schedule:local/codex/{name}",
        kind="schedule",
        at_us=at(0),
        actor="ann",
        pool="codex",
        name=name,
        schedule=schedule,
    )


def once(from_s: float, until_s: float, **promised: float) -> Schedule:
    return Schedule(from_us=at(from_s), until_us=at(until_s), **promised)  # type: ignore[arg-type]


def moment(second: float, **but: object) -> Moment:
    usual: dict[str, object] = {
        "now_us": at(second),
        "ahead_s": AHEAD_S,
        "service_s": 2.0,
        "usual": lambda _: 4.0,
    }
    return Moment(**(usual | but))  # type: ignore[arg-type]  # each case says what differs


def low(calendar: Calendar, second: float) -> int:
    found = calendar.at(moment(second))
    return found.low if found else 0


def test_a_least_holds_from_a_lead_time_before_until_the_end() -> None:
    calendar = Calendar([rule(once(1_000, 2_000, min_replicas=5))], at(0))

    assert [low(calendar, s) for s in (909, 910, 1_000, 1_999.9, 2_000)] == [0, 5, 5, 5, 0]


def test_a_most_holds_only_when_its_time_has_come() -> None:
    calendar = Calendar([rule(once(1_000, 2_000, max_replicas=2))], at(0))
    highs = [found.high if (found := calendar.at(moment(s))) else None for s in (999, 1_000, 2_000)]

    assert highs == [None, 2, None]


def test_of_several_the_highest_least_counts_and_no_most_forbids_it() -> None:
    night, launch = once(0, 1_000, max_replicas=2), once(1_000, 2_000, min_replicas=5)
    found = Calendar([rule(night, "night"), rule(launch)], at(0)).at(moment(950))

    assert found is not None
    assert (found.low, found.high) == (5, 5)


def test_expected_demand_is_in_slots() -> None:
    by_rate = Calendar([rule(once(0, 100, rate_per_s=7.0))], at(0)).at(moment(0))
    by_usual = Calendar([rule(once(0, 100, times=3.0))], at(0)).at(moment(0))

    assert by_rate is not None
    assert by_usual is not None
    assert (by_rate.slots, by_usual.slots) == (14.0, 12.0)


def test_what_is_usual_is_asked_for_the_time_it_is_about() -> None:
    asked: list[int] = []
    calendar = Calendar([rule(once(1_000, 2_000, times=3.0))], at(0))

    def usual(at_us: int) -> float:
        asked.append(at_us)
        return 1.0

    for second in (950, 1_500):
        calendar.at(moment(second, usual=usual))

    assert asked == [at(1_000), at(1_500)]


def test_it_says_who_said_what() -> None:
    found = Calendar([rule(once(1_000, 2_000, min_replicas=5))], at(0)).at(moment(950))

    assert found is not None
    assert found.why == (
        "schedule launch of ann (at least 5 replicas, 2023-11-14 22:30 to 22:46 UTC, "
        "prepared for 50 s ahead)"
    )


@settings(deadline=None)
@given(
    hour=st.integers(0, 23),
    lasts_s=st.integers(60, 200_000),
    steps_s=st.lists(st.integers(1, 40_000), min_size=1, max_size=60),
    ahead_s=st.floats(0, 3_600),
)
def test_at_every_moment_of_a_span_and_before_it_the_least_is_called_for(
    hour: int, lasts_s: int, steps_s: list[int], ahead_s: float
) -> None:
    schedule = again(f"{hour:02}:00", lasts_s=lasts_s, min_replicas=4)
    calendar, now_us = Calendar([rule(schedule)], at(0)), at(0)
    for step_s in steps_s:
        now_us += step_s * SECOND_US
        found = calendar.at(moment(0, now_us=now_us, ahead_s=ahead_s))
        begins_us = next(iter(islice(spans(schedule, now_us), 1))).from_us
        due = begins_us <= now_us + round(ahead_s * SECOND_US)
        assert (found is not None and found.low == 4) == due
