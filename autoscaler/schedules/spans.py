"""A schedule in, the spans of time in which it holds out, and both in words. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streams.clock import SECOND_US
from streams.schemas.schedules import WEEKDAYS, Schedule


class Span(NamedTuple):
    """Half open: ``[from_us, until_us)``."""

    from_us: int
    until_us: int


def spans(schedule: Schedule, since_us: int) -> Iterator[Span]:
    """In order, from the first on that ends after ``since_us``.

    A time that clocks skip is taken as if they had not; of one they show twice, the first counts.
    What begins at 22:00 and lasts ten hours ends when clocks show 8:00, whatever they did by night.

    >>> daily = Schedule(at="18:00", weekdays=("mon",), zone="Europe/Berlin", lasts_s=7_200)
    >>> [words(span, "Europe/Berlin") for _, span in zip(range(2), spans(daily, 0))]
    ['1970-01-05 18:00 to 20:00 Europe/Berlin', '1970-01-12 18:00 to 20:00 Europe/Berlin']
    """
    if schedule.at:
        yield from _again(schedule, since_us)
    elif schedule.until_us is not None and schedule.until_us > since_us:
        yield Span(schedule.from_us, schedule.until_us)


def _again(schedule: Schedule, since_us: int) -> Iterator[Span]:
    zone, at = ZoneInfo(schedule.zone), time.fromisoformat(schedule.at)
    lasts = timedelta(seconds=schedule.lasts_s)
    first_us = max(since_us - round(schedule.lasts_s * SECOND_US), schedule.from_us)
    day = datetime.fromtimestamp(first_us // SECOND_US, zone).date() - timedelta(days=1)
    while True:
        if WEEKDAYS[day.weekday()] in schedule.weekdays:
            begins = datetime.combine(day, at, zone).astimezone(UTC).astimezone(zone)
            from_us, ends_us = _us(begins), _us(begins + lasts)
            until_us = min(ends_us, schedule.until_us or ends_us)
            if until_us <= from_us:
                return
            if from_us >= schedule.from_us and until_us > since_us:
                yield Span(from_us, until_us)
        day += timedelta(days=1)


def _us(at: datetime) -> int:
    return round(at.timestamp()) * SECOND_US


def words(span: Span, zone: str) -> str:
    """`2026-11-27 18:00 to 20:00 Europe/Berlin`."""
    place = ZoneInfo(zone)
    begins, ends = (datetime.fromtimestamp(at // SECOND_US, UTC).astimezone(place) for at in span)
    end = f"{ends:%H:%M}" if begins.date() == ends.date() else f"{ends:%Y-%m-%d %H:%M}"
    return f"{begins:%Y-%m-%d %H:%M} to {end} {zone}"


def clock_words(at_us: int) -> str:
    """`2026-11-27 17:00 UTC`."""
    return f"{datetime.fromtimestamp(at_us // SECOND_US, UTC):%Y-%m-%d %H:%M} UTC"


def promise(schedule: Schedule) -> str:
    """`at least 5 replicas, 3 times the usual demand`."""
    said = (
        (schedule.min_replicas, "at least {} replicas"),
        (schedule.max_replicas, "at most {} replicas"),
        (schedule.times, "{:g} times the usual demand"),
        (schedule.rate_per_s, "{:g} requests/s"),
    )
    return ", ".join(text.format(value) for value, text in said if value is not None)


def sentence(schedule: Schedule) -> str:
    """`at least 5 replicas, mon, fri 18:00 Europe/Berlin for 2 h`."""
    if not schedule.at:
        once = Span(schedule.from_us, schedule.until_us or schedule.from_us)
        return f"{promise(schedule)}, {words(once, schedule.zone)}"
    days = "every day" if len(schedule.weekdays) == len(WEEKDAYS) else ", ".join(schedule.weekdays)
    lasts = f"{schedule.lasts_s / 3_600:.3g} h"
    return f"{promise(schedule)}, {days} {schedule.at} {schedule.zone} for {lasts}"
