"""Rule 1 of the design: kill, freeze, move and delay whom you like, what comes out is the same."""

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis.errors import NoSuchExample

from tests.model.broken import BROKEN
from tests.model.found import BrokenRuleError
from tests.model.owner import LogOwner
from tests.model.schedule import Step, schedules
from tests.model.verdict import judge

BOUNDED = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
SOON = settings(BOUNDED, max_examples=400, phases=[Phase.generate])
"""Enough to find each broken rule; the smallest example is of no interest."""


@settings(BOUNDED, max_examples=10)
@given(schedules(longest=20))
def test_what_comes_out_is_the_same_whatever_happens(steps: list[Step]) -> None:
    judge(steps)


@pytest.mark.slow
@settings(BOUNDED, max_examples=300)
@given(schedules(longest=50))
def test_what_comes_out_is_the_same_whatever_happens_for_long(steps: list[Step]) -> None:
    judge(steps)


@pytest.mark.slow
@pytest.mark.parametrize("owner", BROKEN)
def test_each_broken_rule_is_found(owner: type[LogOwner]) -> None:
    def breaks(steps: list[Step]) -> bool:
        try:
            judge(steps, owner)
        except BrokenRuleError:
            return True
        return False

    try:
        find(schedules(longest=25), breaks, settings=SOON)
    except NoSuchExample:
        pytest.fail(f"{owner.__name__} went unnoticed")
