"""When a schedule holds: once, again and again, and where clocks jump."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.schedules.spans import Span, sentence, spans
from streams.clock import SECOND_US
from streams.schemas.schedules import WEEKDAYS, Schedule

HOUR_S = 3_600


def us(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    return round(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()) * SECOND_US


def again(at: str = "18:00", **but: object) -> Schedule:
    usual: dict[str, object] = {
        "at": at,
        "weekdays": WEEKDAYS,
        "zone": "Europe/Berlin",
        "lasts_s": 2 * HOUR_S,
        "min_replicas": 3,
    }
    return Schedule(**(usual | but))  # type: ignore[arg-type]  # each case says what differs


ONCE = Schedule(from_us=us(2026, 11, 27, 17), until_us=us(2026, 11, 27, 19), times=3.0)


@pytest.mark.parametrize(
    ("schedule", "since_us", "begins"),
    [
        pytest.param(ONCE, 0, [us(2026, 11, 27, 17)], id="once"),
        pytest.param(ONCE, us(2026, 11, 27, 18), [us(2026, 11, 27, 17)], id="once-under-way"),
        pytest.param(ONCE, us(2026, 11, 27, 19), [], id="once-over"),
        pytest.param(
            again(),
            us(2026, 3, 28, 12),
            [us(2026, 3, 28, 17), us(2026, 3, 29, 16), us(2026, 3, 30, 16)],
            id="by-the-clocks-of-the-zone-over-a-change",
        ),
        pytest.param(
            again("02:30"),
            us(2026, 3, 28, 12),
            [us(2026, 3, 29, 1, 30), us(2026, 3, 30, 0, 30)],
            id="a-time-that-clocks-skip",
        ),
        pytest.param(
            again("02:30"),
            us(2026, 10, 24, 12),
            [us(2026, 10, 25, 0, 30), us(2026, 10, 26, 1, 30)],
            id="a-time-that-clocks-show-twice-comes-once",
        ),
        pytest.param(
            again(weekdays=("mon",), until_us=us(2026, 11, 24)),
            us(2026, 11, 15),
            [us(2026, 11, 16, 17), us(2026, 11, 23, 17)],
            id="until-it-ends",
        ),
        pytest.param(
            again(from_us=us(2026, 11, 20, 18)),
            us(2026, 11, 19),
            [us(2026, 11, 21, 17)],
            id="not-before-it-begins",
        ),
    ],
)
def test_the_spans_begin(schedule: Schedule, since_us: int, begins: list[int]) -> None:
    assert [span.from_us for span in islice(spans(schedule, since_us), len(begins))] == begins


@pytest.mark.parametrize("day", [(2026, 3, 28), (2026, 10, 24), (2026, 6, 1)])
def test_a_night_ends_by_the_clock(day: tuple[int, int, int]) -> None:
    night = next(spans(again("22:00", lasts_s=10 * HOUR_S), us(*day, 12)))
    ends = datetime.fromtimestamp(night.until_us // SECOND_US, ZoneInfo("Europe/Berlin"))

    assert f"{ends:%H:%M}" == "08:00"


def test_the_last_span_is_cut_off_where_the_schedule_ends() -> None:
    (span,) = spans(again(until_us=us(2026, 11, 25, 18)), us(2026, 11, 25))

    assert span == Span(us(2026, 11, 25, 17), us(2026, 11, 25, 18))


@settings(deadline=None)
@given(
    since_us=st.integers(us(2024, 1, 1), us(2028, 1, 1)),
    hour=st.integers(0, 23),
    minute=st.integers(0, 59),
    days=st.sets(st.sampled_from(WEEKDAYS), min_size=1),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
    lasts_s=st.integers(60, 7 * 24 * HOUR_S),
)
def test_spans_are_in_order_and_those_of_an_earlier_look(
    since_us: int, hour: int, minute: int, days: set[str], zone: str, lasts_s: int
) -> None:
    weekdays = tuple(day for day in WEEKDAYS if day in days)
    schedule = again(f"{hour:02}:{minute:02}", weekdays=weekdays, zone=zone, lasts_s=lasts_s)
    found = list(islice(spans(schedule, since_us), 20))
    earlier_us = since_us - round(timedelta(days=3).total_seconds()) * SECOND_US
    before = [one for one in islice(spans(schedule, earlier_us), 60) if one.until_us > since_us]

    assert all(one.from_us < other.from_us for one, other in pairwise(found))
    assert found[0].until_us > since_us
    assert before[:20] == found


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        (ONCE, "3 times the usual demand, 2026-11-27 17:00 to 19:00 UTC"),
        (again(max_replicas=5), "at least 3 replicas, at most 5 replicas, every day 18:00 "
         "Europe/Berlin for 2 h"),
        (again(weekdays=("mon", "fri"), rate_per_s=7.5, min_replicas=None),
         "7.5 requests/s, mon, fri 18:00 Europe/Berlin for 2 h"),
    ],
)  # fmt: skip
def test_in_words(schedule: Schedule, says: str) -> None:
    assert sentence(schedule) == says
