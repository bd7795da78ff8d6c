"""Quality records in; who sends badly, how, since when and what to do out. Pure and bounded."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from streams.clock import SECOND_US
from streams.complaints import KINDS, NEARLY_ALL, Kind, Shortcoming, shortcomings, span
from streams.origin_rows import Row, rows_of
from streams.schemas.base import Record
from streams.schemas.origins import INTERVAL_S
from streams.schemas.system import Quality

MAX_MEMBERS: Final = 5_000
"""Origins that are kept in mind; the one silent longest goes first."""
MEMORY_US: Final = 60 * SECOND_US
"""What lies longer back says nothing of now."""
KNOWN_AFTER: Final = 12
"""Intervals after which it is known how regularly an origin sends."""
MISSED_GAPS: Final = 3
"""So many times its longest gap, and an origin is missing."""
MISSED_FOR_US: Final = 900 * SECOND_US
"""Then it is taken to be gone for good."""
_INTERVAL_US: Final = INTERVAL_S * SECOND_US
_GAPS: Final = 30
NEW_US: Final = 2 * _INTERVAL_US
"""So long a sender may take to its first values."""

Key = tuple[str, str, str]
"""Site, source, origin."""


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


@dataclass(slots=True)
class _Member:
    """The last minute of an origin, and how regularly it was heard before."""

    rows: deque[Row] = field(default_factory=deque)
    gaps_us: deque[int] = field(default_factory=lambda: deque(maxlen=_GAPS))
    heard: int = 0
    found: list[Shortcoming] = field(default_factory=list)
    first_us: int = 0
    doubtful_us: dict[str, int] = field(default_factory=dict)
    """Since when the values of a field have been doubtful, nearly all of them."""
    fine: set[str] = field(default_factory=set)
    """Fields that have had others: a sender does not change its unit."""
    since_us: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def end_us(self) -> int:
        return self.rows[-1].from_us + _INTERVAL_US

    def take(self, row: Row) -> None:
        self.first_us = self.first_us or row.from_us
        if not self.rows or row.from_us > self.rows[-1].from_us:
            if self.rows:
                self.gaps_us.append(row.from_us - self.rows[-1].from_us)
            self.heard += 1
        self.rows.append(row)
        while self.rows[0].from_us <= row.from_us - MEMORY_US:
            self.rows.popleft()
        for one in row.doubtful:
            self.doubtful_us.setdefault(one.field, row.from_us)
            if one.doubtful < NEARLY_ALL * one.values:
                self.fine.add(one.field)
        self.found = shortcomings(list(self.rows), self._from_the_start())
        self.since_us = {
            (one.kind, one.field): self.since_us.get((one.kind, one.field), one.since_us)
            for one in self.found
        }

    def _from_the_start(self) -> set[str]:
        """Fields that never had a value beyond doubt."""
        begun_us = self.first_us + NEW_US
        return {name for name, at in self.doubtful_us.items() if at <= begun_us} - self.fine

    def told(self, now_us: int) -> Iterator[tuple[Shortcoming, int]]:
        """What is wrong, and since when; ``now_us``: the source has been read up to there."""
        silent_us = now_us - self.end_us
        if silent_us < MEMORY_US:
            for one in self.found:
                yield one, self.since_us[one.kind, one.field]
        usual_us = max(self.gaps_us, default=0)
        missing = MISSED_GAPS * usual_us <= silent_us < MISSED_GAPS * usual_us + MISSED_FOR_US
        if self.heard >= KNOWN_AFTER and missing and self._is_steady():
            sentence = f"silent for {span(silent_us / SECOND_US)}, was heard at least every "
            yield (
                Shortcoming(
                    kind="missing",
                    sentence=sentence + span(usual_us / SECOND_US),
                    advice="see whether it still runs and reaches the broker",
                    weight=1.0,
                    since_us=self.end_us,
                ),
                self.end_us,
            )

    def _is_steady(self) -> bool:
        """Who sends by the clock; where traffic ends, nobody is missed."""
        # In the last ten seconds it stopped, in the first it perhaps began.
        counts = [row.records for row in self.rows][1:-1]
        return bool(counts) and 2 * min(counts) >= max(counts)


class Conduct:
    """What is known of each origin; a function of the quality records alone, in their order."""

    def __init__(self) -> None:
        self._members: dict[Key, _Member] = {}
        self._read_us: dict[tuple[str, str], dict[int, int]] = {}

    def take(self, quality: Quality) -> None:
        if quality.origins is None:
            return
        source = (quality.site, quality.source)
        end_us = quality.origins.from_us + _INTERVAL_US
        self._read_us.setdefault(source, {})[quality.partition] = end_us
        for name, row in rows_of(quality):
            key = (*source, name)
            member = self._members.pop(key, None) or _Member()
            self._members[key] = member  # The one silent longest comes first.
            member.take(row)
        while len(self._members) > MAX_MEMBERS:
            del self._members[next(iter(self._members))]

    def complaints(self) -> list[Complaint]:
        """The worst first."""
        found = [
            Complaint(
                site=key[0],
                source=key[1],
                origin=key[2],
                kind=one.kind,
                field=one.field,
                since_us=since_us,
                weight=one.weight,
                sentence=f"{key[2] or f'{key[1]}, sender unknown'}: {one.sentence}",
                advice=one.advice,
            )
            for key, member in self._members.items()
            for one, since_us in member.told(self._now_us(key))
        ]
        return sorted(found, key=lambda one: (KINDS.index(one.kind), -one.weight, one.sentence))

    def heard(self) -> int:
        """How many origins were heard of in the last minute."""
        return sum(
            self._now_us(key) - member.end_us < MEMORY_US for key, member in self._members.items()
        )

    def _now_us(self, key: Key) -> int:
        """While a partition is not read, nobody can be said to be silent."""
        return min(self._read_us[key[:2]].values())
