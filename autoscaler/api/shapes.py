"""Answers that are no records of a topic."""

from collections.abc import Iterable
from itertools import islice

from autoscaler.api.series_store import Line
from autoscaler.schedules.spans import sentence, spans
from streams.schemas.base import Record
from streams.schemas.incidents import Rule
from streams.schemas.schedules import Schedule
from streams.windows.features import VALUES


class SeriesLine(Record, frozen=True, kw_only=True, omit_defaults=False):
    """One value of one series; ``values[i]`` is of the window that starts at ``at_us[i]``."""

    kind: str
    labels: dict[str, str]
    value: str
    unit: str
    at_us: tuple[int, ...]
    values: tuple[float | None, ...]
    """null where nothing was seen."""


class PlannedSchedule(Record, frozen=True, kw_only=True, omit_defaults=False):
    """A schedule, and when it holds next."""

    name: str
    says: str
    actor: str
    reason: str
    schedule: Schedule
    next_from_us: int
    next_until_us: int
    holds: bool
    """Now."""


def planned(rules: Iterable[Rule], now_us: int) -> list[PlannedSchedule]:
    """The next of each, the soonest first."""
    found = [
        PlannedSchedule(
            name=rule.name,
            says=sentence(rule.schedule),
            actor=rule.actor,
            reason=rule.reason,
            schedule=rule.schedule,
            next_from_us=span.from_us,
            next_until_us=span.until_us,
            holds=span.from_us <= now_us,
        )
        for rule in rules
        if rule.schedule is not None
        for span in islice(spans(rule.schedule, now_us), 1)
    ]
    return sorted(found, key=lambda one: (one.next_from_us, one.name))


def unit_of(kind: str, value: str) -> str | None:
    """The unit of a value of the catalogue; None if there is no such value."""
    values = VALUES.get("request" if kind == "pool" else kind, ())
    return next((one.unit for one in values if one.name == value), None)


def shown(line: Line, unit: str) -> SeriesLine:
    return SeriesLine(
        kind=line.kind,
        labels=dict(line.labels),
        value=line.value,
        unit=unit,
        at_us=tuple(line.at_us.tolist()),
        values=tuple(None if v != v else v for v in line.values.tolist()),  # noqa: PLR0124 - NaN
    )
