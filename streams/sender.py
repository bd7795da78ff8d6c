"""What one origin sent, interval by interval, in; what is wrong with it since when, out. Pure."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import msgspec

from streams.clock import SECOND_US
from streams.complaints import NEARLY_ALL, Shortcoming, shortcomings, span
from streams.origin_rows import Row
from streams.schemas.base import Record
from streams.schemas.origins import INTERVAL_S

MEMORY_US: Final = 60 * SECOND_US
"""What lies longer back says nothing of now."""
KNOWN_AFTER: Final = 12
"""Intervals after which it is known how regularly an origin sends."""
MISSED_GAPS: Final = 3
"""So many times its longest gap, and an origin is missing."""
MISSED_FOR_US: Final = 900 * SECOND_US
"""Then it is taken to be gone for good."""
INTERVAL_US: Final = INTERVAL_S * SECOND_US
_GAPS: Final = 30
NEW_US: Final = 2 * INTERVAL_US
"""So long a sender may take to its first values."""


class Sender(Record, frozen=True, kw_only=True):
    """The last minute of an origin, and how regularly it was heard before."""

    site: str = ""
    source: str
    origin: str
    rows: tuple[Row, ...] = ()
    gaps_us: tuple[int, ...] = ()
    heard: int = 0
    first_us: int = 0
    doubtful_us: dict[str, int] = msgspec.field(default_factory=dict)
    """Since when the values of a field have been doubtful, nearly all of them."""
    fine: tuple[str, ...] = ()
    """Fields that have had others: a sender does not change its unit."""
    found: tuple[Shortcoming, ...] = ()

    @property
    def end_us(self) -> int:
        return self.rows[-1].from_us + INTERVAL_US

    @property
    def from_the_start(self) -> set[str]:
        """Fields that never had a value beyond doubt."""
        begun_us = self.first_us + NEW_US
        doubtful = {name for name, at_us in self.doubtful_us.items() if at_us <= begun_us}
        return doubtful.difference(self.fine)

    def after(self, row: Row) -> "Sender":
        """Itself with one more interval."""
        grown = self._grown(row)
        since_us = {(one.kind, one.field): one.since_us for one in self.found}
        found = (
            replace(one, since_us=since_us.get((one.kind, one.field), one.since_us))
            for one in shortcomings(grown.rows, grown.from_the_start)
        )
        return grown.but(found=tuple(found))

    def _grown(self, row: Row) -> "Sender":
        at_us, last_us = row.from_us, self.rows[-1].from_us if self.rows else 0
        gap_us = (at_us - last_us,) if self.rows and at_us > last_us else ()
        mixed = {o.field for o in row.doubtful if o.doubtful < NEARLY_ALL * o.values}
        return self.but(
            rows=tuple(o for o in (*self.rows, row) if o.from_us > at_us - MEMORY_US),
            gaps_us=(*self.gaps_us, *gap_us)[-_GAPS:],
            heard=self.heard + (at_us > last_us),
            first_us=self.first_us or at_us,
            doubtful_us={**{one.field: at_us for one in row.doubtful}, **self.doubtful_us},
            fine=tuple(sorted(mixed.union(self.fine))),
        )

    def told(self, now_us: int) -> Iterator[Shortcoming]:
        """What is wrong; ``now_us``: the source has been read up to there."""
        silent_us = now_us - self.end_us
        if silent_us < MEMORY_US:
            yield from self.found
        usual_us = max(self.gaps_us, default=0)
        missing = MISSED_GAPS * usual_us <= silent_us < MISSED_GAPS * usual_us + MISSED_FOR_US
        if self.heard >= KNOWN_AFTER and missing and self._is_steady():
            sentence = f"silent for {span(silent_us / SECOND_US)}, was heard at least every "
            yield Shortcoming(
                kind="missing",
                sentence=sentence + span(usual_us / SECOND_US),
                advice="see whether it still runs and reaches the broker",
                weight=1.0,
                since_us=self.end_us,
            )

    def _is_steady(self) -> bool:
        """Who sends by the clock; where traffic ends, nobody is missed."""
        # In the last ten seconds it stopped, in the first it perhaps began.
        counts = [row.records for row in self.rows][1:-1]
        return bool(counts) and 2 * min(counts) >= max(counts)
