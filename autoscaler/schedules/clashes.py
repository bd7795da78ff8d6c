"""Schedules and limits of one pool in, the first moment at which they contradict out. Pure."""

from collections.abc import Iterable, Iterator
from itertools import takewhile

from autoscaler.schedules.spans import Span, clock_words, spans
from streams.clock import SECOND_US
from streams.errors import InvalidParameterError
from streams.schemas.incidents import Rule

YEAR_US = 366 * 86_400 * SECOND_US
"""What contradicts later than that can be mended until then."""


def check_no_clash(rule: Rule, others: Iterable[Rule], now_us: int) -> None:
    """Raises InvalidParameterError if another rule of the pool forbids what this one calls for."""
    for other in others:
        if other.id == rule.id or not _contradict(rule, other):
            continue
        if (span := _overlap(rule, other, now_us)) is not None:
            raise InvalidParameterError(
                _name(rule),
                _bounds(rule),
                f"within {_bounds(other)} of {_name(other)} while that holds, "
                f"first from {clock_words(span.from_us)}",
            )


def _contradict(one: Rule, other: Rule) -> bool:
    (low, high), (other_low, other_high) = _least_most(one), _least_most(other)
    return low > other_high or other_low > high


def _overlap(one: Rule, other: Rule, now_us: int) -> Span | None:
    """The first stretch in which both hold."""
    ours, theirs = _spans(one, now_us), _spans(other, now_us)
    mine, its = next(ours, None), next(theirs, None)
    while mine is not None and its is not None:
        begins, ends = max(mine.from_us, its.from_us), min(mine.until_us, its.until_us)
        if begins < ends:
            return Span(begins, ends)
        if mine.until_us <= its.until_us:
            mine = next(ours, None)
        else:
            its = next(theirs, None)
    return None


def _spans(rule: Rule, now_us: int) -> Iterator[Span]:
    end_us = now_us + YEAR_US
    if rule.schedule is None:
        return iter([Span(now_us, rule.expires_at_us or end_us)])
    return takewhile(lambda span: span.from_us < end_us, spans(rule.schedule, now_us))


def _least_most(rule: Rule) -> tuple[float, float]:
    said = rule.schedule or rule
    high = said.max_replicas
    return said.min_replicas or 0, float("inf") if high is None else high


def _bounds(rule: Rule) -> str:
    low, high = _least_most(rule)
    return f"{low:g} replicas or more" if high == float("inf") else f"{low:g} to {high:g} replicas"


def _name(rule: Rule) -> str:
    return f"schedule {rule.name}" if rule.schedule is not None else f"limits of {rule.actor}"
