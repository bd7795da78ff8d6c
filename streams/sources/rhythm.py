"""When a target is due: each at an instant of its own, so that no two seconds differ."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from streams.clock import SECOND_US

MAX_AHEAD_US: Final = 30 * SECOND_US
"""No instant lies this much and an interval ahead; where one does, the clock was set back."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Every ``signals_us`` the signals, and every ``full_every`` times the whole page."""

    signals_us: int
    full_every: int


@dataclass(frozen=True, slots=True)
class Due:
    """The instant a target is due, and whether all of its page is."""

    at_us: int
    full: bool


def rhythm_for(
    targets: int, *, signals_every_s: float, full_every_s: float, pages_per_s: int
) -> Rhythm:
    """As often as is asked, and slower where that would be more than ``pages_per_s``.

    A whole page costs five times what its signals do.

    >>> rhythm_for(40, signals_every_s=1, full_every_s=1, pages_per_s=500)
    Rhythm(signals_us=1000000, full_every=1)
    >>> rhythm_for(1_000, signals_every_s=1, full_every_s=1, pages_per_s=500)
    Rhythm(signals_us=2000000, full_every=5)
    """
    signals_s = max(signals_every_s, targets / pages_per_s)
    full_s = max(full_every_s, 5 * targets / pages_per_s)
    return Rhythm(round(signals_s * SECOND_US), max(1, round(full_s / signals_s)))


def due_after(rhythm: Rhythm, key: str, last_us: int, now_us: int) -> Due:
    """The next instant after the one before, and after now; a clock that was set back counts.

    >>> due_after(Rhythm(2_000_000, 1), "a", 3_600_000_000, 60_000_000).at_us // 2_000_000
    30
    """
    set_back = last_us - now_us > MAX_AHEAD_US + rhythm.signals_us
    return next_due(rhythm, key, now_us if set_back else max(last_us, now_us))


def next_due(rhythm: Rhythm, key: str, now_us: int) -> Due:
    """The first instant after ``now_us`` at which the target of this key is due.

    >>> due = next_due(Rhythm(2_000_000, 5), "a", 0)
    >>> next_due(Rhythm(2_000_000, 5), "a", due.at_us).at_us - due.at_us
    2000000
    """
    offset = int.from_bytes(blake2b(key.encode(), digest_size=8).digest())
    phase = offset % rhythm.signals_us
    number = (now_us - phase) // rhythm.signals_us + 1
    full = (number + offset // rhythm.signals_us) % rhythm.full_every == 0
    return Due(number * rhythm.signals_us + phase, full)
