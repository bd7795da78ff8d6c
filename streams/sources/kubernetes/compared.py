"""Objects of one resource as they come from the API in, what differs from before out as changes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from streams.clock import Clock
from streams.metrics import KUBERNETES_SKIPPED
from streams.schemas.telemetry import Change

MAX_OBJECTS: Final = 10_000
"""Of one resource that are remembered; further ones are passed over, and counted."""

Tell = Callable[[Change], object]


class Thing(Protocol):
    """What is remembered of an object."""

    @property
    def uid(self) -> str: ...


T = TypeVar("T", bound=Thing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules(Generic[T]):
    """How the objects of a resource are compared.

    take: an object's JSON -> what is compared of it; None for what is not meant.
    told: what was (None: not known), what is, now -> what to remember, and what happened.
    gone: what was, now -> what happened.
    """

    resource: str
    take: Callable[[msgspec.Raw], T | None]
    told: Callable[[T | None, T, int], tuple[T, Iterable[Change]]]
    gone: Callable[[T, int], Iterable[Change]]


class Compared(Generic[T]):
    """A ``Follower`` that remembers, compares and tells."""

    def __init__(self, rules: Rules[T], tell: Tell, clock: Clock) -> None:
        self.known: dict[str, T] = {}
        self._rules = rules
        self._tell = tell
        self._clock = clock

    def listed(self, objects: Sequence[msgspec.Raw]) -> None:
        here = {one.uid: one for each in objects if (one := self._rules.take(each))}
        for uid in self.known.keys() - here.keys():
            self._end(uid)
        for one in here.values():
            self._compare(one)

    def event(self, what: str, found: msgspec.Raw) -> None:
        one = self._rules.take(found)
        if one and what != "DELETED":
            self._compare(one)
        elif one and one.uid in self.known:
            self._end(one.uid)

    def _compare(self, now: T) -> None:
        if now.uid not in self.known and len(self.known) >= MAX_OBJECTS:
            KUBERNETES_SKIPPED.labels(self._rules.resource, "too_many").inc()
            return
        before = self.known.get(now.uid)
        self.known[now.uid], changes = self._rules.told(before, now, self._clock())
        self._say(changes)

    def _end(self, uid: str) -> None:
        self._say(self._rules.gone(self.known.pop(uid), self._clock()))

    def _say(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self._tell(change)
