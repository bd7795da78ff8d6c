"""Schedules and limits that contradict each other are refused, with both named."""

import pytest

from autoscaler.rules import MAX_SCHEDULES, RuleBook
from autoscaler.schedules.clashes import check_no_clash
from streams.errors import InvalidParameterError
from streams.schemas.incidents import Command
from streams.schemas.schedules import Schedule
from tests.autoscaler.schedules.test_calendar import once, rule
from tests.autoscaler.schedules.test_spans import again
from tests.autoscaler.test_rules import POOL, POOLS, command
from tests.autoscaler.world import at

MORNING = again("08:00", min_replicas=3)
NIGHT = again("22:00", lasts_s=36_000, min_replicas=None, max_replicas=2)
LONG_NIGHT = NIGHT.but(lasts_s=36_060)


def scheduled(schedule: Schedule, name: str = "launch", number: int = 1) -> Command:
    return command("schedule", number, name=name, schedule=schedule)


def test_one_that_ends_when_the_other_begins_is_fine() -> None:
    check_no_clash(rule(MORNING), [rule(NIGHT, "night")], at(0))


def test_a_minute_in_common_is_not() -> None:
    says = "schedule launch must be within 0 to 2 replicas of schedule night while that holds"
    with pytest.raises(InvalidParameterError, match=says):
        check_no_clash(rule(MORNING), [rule(LONG_NIGHT, "night")], at(0))


def test_also_where_they_meet_only_on_some_day_of_the_year() -> None:
    launch = rule(once(200 * 86_400, 201 * 86_400, min_replicas=3))
    with pytest.raises(InvalidParameterError, match="first from"):
        check_no_clash(launch, [rule(NIGHT, "night")], at(0))


@pytest.mark.parametrize(
    ("commands", "says"),
    [
        pytest.param(
            [scheduled(MORNING), command("limits", 2, max_replicas=2)],
            "limits of ann must be within 3 replicas or more of schedule launch",
            id="limits-below-a-schedule",
        ),
        pytest.param(
            [command("limits", max_replicas=2), scheduled(MORNING, number=2)],
            "schedule launch must be within 1 to 2 replicas of limits of ann",
            id="a-schedule-above-limits",
        ),
        pytest.param(
            [scheduled(once(10, 20, min_replicas=9))],
            "min_replicas of schedule launch must be 1 to 4, the bounds of pool codex, got 9",
            id="beyond-the-settings",
        ),
        pytest.param(
            [scheduled(once(-20, -10, min_replicas=3))],
            "end of schedule launch must be to come",
            id="over-already",
        ),
        pytest.param(
            [command("unschedule", name="x")], "schedule must be one of: none", id="unknown"
        ),
        pytest.param([command("schedule", name="x")], "schedule must be given", id="empty"),
        pytest.param(
            [scheduled(MORNING, f"s{n}", n) for n in range(1, MAX_SCHEDULES + 2)],
            "schedules must be fewer than 20, got 20",
            id="too-many",
        ),
    ],
)
def test_what_cannot_be_is_refused(commands: list[Command], says: str) -> None:
    rules, (*before, last) = RuleBook(), commands
    for one in before:
        rules.carry_out(one, POOLS)
    with pytest.raises(InvalidParameterError, match=says):
        rules.carry_out(last, POOLS)


def test_limits_that_end_before_it_begins_are_no_contradiction() -> None:
    rules = RuleBook()
    rules.carry_out(scheduled(once(1_000, 2_000, min_replicas=3)), POOLS)
    rules.carry_out(command("limits", 2, max_replicas=2, expires_at_us=at(1_000)), POOLS)

    assert len(rules.of(POOL)) == 2


def test_a_schedule_ends_with_its_time_and_by_a_word() -> None:
    rules = RuleBook()
    rules.carry_out(scheduled(once(10, 20, min_replicas=3)), POOLS)
    rules.carry_out(scheduled(MORNING, "morning", 2), POOLS)

    assert [one.name for one in rules.expire(at(20))] == ["launch"]
    assert [one.ended for one in rules.carry_out(command("unschedule", 3, name="morning"), POOLS)]
    assert rules.of(POOL) == []


def test_those_of_the_settings_come_and_go_with_them_and_with_nobody_else() -> None:
    rules, ours = RuleBook(), rule(MORNING, "morning").but(actor="settings")
    assert rules.declare([ours], at(1)) == [ours]
    assert rules.declare([ours.but(at_us=at(2))], at(2)) == []
    for number, asked in enumerate(
        (command("unschedule", name="morning"), scheduled(NIGHT, "morning")), 3
    ):
        with pytest.raises(InvalidParameterError, match=r"stands in scaling\.schedules"):
            rules.carry_out(asked.but(id=f"c{number}"), POOLS)

    assert [one.ended for one in rules.declare([], at(5))] == [True]
