"""Schedules as people write them: what is told wrongly is told back."""

from typing import Any

import pytest
from pydantic import ValidationError

from autoscaler.schedules.settings import ScheduleTerms
from streams.schemas.schedules import WEEKDAYS, Schedule
from tests.autoscaler.schedules.test_spans import us

ONCE = {"starts_at": "2026-11-27T18:00:00+01:00", "ends_at": "2026-11-27T20:00:00+01:00"}
AGAIN = {"at": "18:00", "lasts_s": 7_200, "zone": "Europe/Berlin"}


def test_once() -> None:
    assert ScheduleTerms(**ONCE, times=3).schedule() == Schedule(
        from_us=us(2026, 11, 27, 17), until_us=us(2026, 11, 27, 19), times=3.0
    )


def test_again() -> None:
    assert ScheduleTerms(**AGAIN, min_replicas=2).schedule() == Schedule(
        at="18:00", lasts_s=7_200, zone="Europe/Berlin", weekdays=WEEKDAYS, min_replicas=2
    )


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        pytest.param(ONCE, "at least one of min_replicas", id="nothing-promised"),
        pytest.param(ONCE | {"times": 2, "rate_per_s": 1}, "either times or rate", id="both"),
        pytest.param(ONCE | {"times": 1}, "greater than 1", id="no-more-than-usual"),
        pytest.param(ONCE | {"times": 101}, "less than or equal to 100", id="far-too-much"),
        pytest.param(
            ONCE | {"min_replicas": 3, "max_replicas": 2}, "must not exceed", id="contradiction"
        ),
        pytest.param({"min_replicas": 1}, "either starts_at and ends_at, or at", id="never"),
        pytest.param(AGAIN | {"min_replicas": 1, "lasts_s": 5}, "at least 60 s", id="too-short"),
        pytest.param(AGAIN | {"min_replicas": 1, "zone": "Mars"}, "IANA", id="zone"),
        pytest.param(AGAIN | {"min_replicas": 1, "zone": "../x"}, "IANA", id="zone-elsewhere"),
        pytest.param(AGAIN | {"min_replicas": 1, "at": "25:00"}, "pattern", id="no-time"),
        pytest.param(AGAIN | {"min_replicas": 1, "weekdays": []}, "once each", id="no-day"),
        pytest.param(
            {"starts_at": "2026-11-27T18:00:00", "ends_at": "2026-11-27T20:00:00"},
            "timezone",
            id="instants-without-offset",
        ),
        pytest.param(
            {"starts_at": ONCE["ends_at"], "ends_at": ONCE["starts_at"], "times": 2},
            "at most a year after",
            id="ends-before-it-starts",
        ),
        pytest.param(
            {"starts_at": "9999-01-01T00:00Z", "ends_at": "9999-01-02T00:00Z", "times": 2},
            "between 1970 and 2100",
            id="beyond-all-calendars",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(terms: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ScheduleTerms(**terms)
