"""The schedules of one pool in, what they call for at a moment out. Pure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from autoscaler.scheduled import Scheduled
from autoscaler.schedules.spans import Span, promise, spans, words
from streams.clock import SECOND_US
from streams.schemas.incidents import Rule
from streams.schemas.schedules import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a pool knows that its schedules are read with."""

    now_us: int
    ahead_s: float
    """So long before it begins, all for it is ordered."""
    service_s: float
    usual: Callable[[int], float]
    """Slots of demand that are usual at an instant."""


@dataclass(slots=True)
class _Entry:
    rule: Rule
    schedule: Schedule
    coming: Iterator[Span]
    span: Span | None = None

    def until(self, now_us: int) -> Span | None:
        """The span that ends next after ``now_us``; the instants of calls ascend."""
        while self.span is None or self.span.until_us <= now_us:
            self.span = next(self.coming, None)
            if self.span is None:
                return None
        return self.span


class Calendar:
    """Remembers which span of each schedule comes next, so that a look costs little.

    rules: those with a schedule. since_us: nothing before is ever asked for.
    """

    def __init__(self, rules: Iterable[Rule], since_us: int) -> None:
        self._entries = [
            _Entry(rule, rule.schedule, spans(rule.schedule, since_us))
            for rule in rules
            if rule.schedule is not None
        ]

    def at(self, moment: Moment) -> Scheduled | None:
        """None while no schedule holds or is prepared for.

        A least holds from when replicas for it have to be ordered, a most only when its time has
        come. What several say is the highest of their least ones, and the lowest of their most ones
        that does not forbid it.
        """
        due = list(self._due(moment.now_us, moment.ahead_s))
        if not due:
            return None
        low = max(entry.schedule.min_replicas or 0 for entry, _ in due)
        high = [
            entry.schedule.max_replicas
            for entry, span in due
            if entry.schedule.max_replicas is not None and span.from_us <= moment.now_us
        ]
        expected = [
            _slots(entry.schedule, span, moment) for entry, span in due if entry.schedule.expects
        ]
        return Scheduled(
            low=low,
            high=max(low, min(high)) if high else None,
            slots=max(expected) if expected else None,
            why="; ".join(_why(entry, span, moment) for entry, span in due),
        )

    def _due(self, now_us: int, ahead_s: float) -> Iterator[tuple[_Entry, Span]]:
        for entry in self._entries:
            span = entry.until(now_us)
            if span is not None and span.from_us <= now_us + round(ahead_s * SECOND_US):
                yield entry, span


NOTHING_SCHEDULED: Final = Calendar((), 0)


def _slots(schedule: Schedule, span: Span, moment: Moment) -> float:
    """The demand that is expected at least, in slots."""
    if schedule.times is not None:
        return schedule.times * moment.usual(max(moment.now_us, span.from_us))
    return (schedule.rate_per_s or 0.0) * moment.service_s


def _why(entry: _Entry, span: Span, moment: Moment) -> str:
    """`schedule launch of ann (at least 5 replicas, 2026-11-27 18:00 to 20:00 UTC)`."""
    when = words(span, entry.schedule.zone)
    ahead_s = (span.from_us - moment.now_us) / SECOND_US
    prepared = f", prepared for {ahead_s:.0f} s ahead" if ahead_s > 0 else ""
    said = f"{promise(entry.schedule)}, {when}{prepared}"
    return f"schedule {entry.rule.name} of {entry.rule.actor} ({said})"
