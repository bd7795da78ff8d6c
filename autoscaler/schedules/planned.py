"""Rules in, their schedules and when each holds next out."""

from collections.abc import Iterable
from itertools import islice

from autoscaler.schedules.spans import sentence, spans
from streams.schemas.base import Record
from streams.schemas.incidents import Rule
from streams.schemas.schedules import Schedule


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
