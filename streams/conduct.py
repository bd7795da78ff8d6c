"""Quality records in; who sends badly, how, since when and what to do out. Pure and bounded."""

from collections.abc import Iterator
from heapq import nsmallest
from typing import Final

from streams.complaints import KINDS, Kind, Shortcoming
from streams.origin_rows import rows_of
from streams.schemas.base import Record
from streams.schemas.system import Quality
from streams.sender import INTERVAL_US, MEMORY_US, Sender

MAX_SENDERS: Final = 5_000
"""Origins that are kept in mind; those silent longest go first."""

Key = tuple[str, str, str]
"""Site, source, origin."""


class Reached(Record, frozen=True, kw_only=True):
    """How far a source has been read."""

    site: str = ""
    source: str
    ends_us: dict[int, int]
    """Partition -> end of the last ten seconds that it told of."""

    @property
    def now_us(self) -> int:
        """While a partition is not read, nobody can be said to be silent."""
        return min(self.ends_us.values())


class Complaint(Record, frozen=True, kw_only=True, omit_defaults=False):
    """Something that is wrong with what somebody sends."""

    site: str
    source: str
    """The topic."""
    origin: str
    """Producer of frames; else pool, replica or node; empty where messages cannot be read."""
    kind: Kind
    field: str
    since_us: int
    weight: float
    """Share of its records or values that are concerned."""
    sentence: str
    advice: str


class Conduct:
    """What is known of each origin; a function of the quality records alone, in their order."""

    def __init__(self) -> None:
        self._senders: dict[Key, Sender] = {}
        self._reached: dict[tuple[str, str], Reached] = {}

    def take(self, quality: Quality) -> None:
        if quality.origins is None:
            return
        site, source = of = (quality.site, quality.source)
        before = self._reached.get(of)
        ends_us = before.ends_us if before else {}
        end_us = quality.origins.from_us + INTERVAL_US
        self._reached[of] = Reached(
            site=site, source=source, ends_us={**ends_us, quality.partition: end_us}
        )
        for origin, row in rows_of(quality):
            key = (site, source, origin)
            known = self._senders.get(key) or Sender(site=site, source=source, origin=origin)
            self._senders[key] = known.after(row)
        for key in nsmallest(len(self._senders) - MAX_SENDERS, self._senders, key=self._age):
            del self._senders[key]

    def complaints(self) -> list[Complaint]:
        """The worst first."""
        found = [
            _complaint(sender, one)
            for key, sender in self._senders.items()
            for one in sender.told(self._now_us(key))
        ]
        return sorted(found, key=lambda one: (KINDS.index(one.kind), -one.weight, one.sentence))

    def heard(self) -> int:
        """How many origins were heard of in the last minute."""
        return sum(
            self._now_us(key) - sender.end_us < MEMORY_US for key, sender in self._senders.items()
        )

    def known(self) -> Iterator[Sender | Reached]:
        """All that a restart has to know; an object that is the same has not changed."""
        yield from self._senders.values()
        yield from self._reached.values()

    def restore(self, known: Sender | Reached) -> None:
        match known:
            case Sender():
                self._senders[known.site, known.source, known.origin] = known
            case Reached():
                self._reached[known.site, known.source] = known

    def _now_us(self, key: Key) -> int:
        return self._reached[key[:2]].now_us

    def _age(self, key: Key) -> tuple[int, Key]:
        return self._senders[key].end_us, key


def _complaint(sender: Sender, one: Shortcoming) -> Complaint:
    return Complaint(
        site=sender.site,
        source=sender.source,
        origin=sender.origin,
        kind=one.kind,
        field=one.field,
        since_us=one.since_us,
        weight=one.weight,
        sentence=f"{sender.origin or f'{sender.source}, sender unknown'}: {one.sentence}",
        advice=one.advice,
    )
