"""What can be in a field, and what may well be: the catalogue's word on values, by unit and name.

A value below ``least`` is *impossible*: its record is set aside. One outside of ``low`` to ``high``
is *implausible*: it is kept, counted and shown, as the record may be right and our table wrong. One
above ``doubtful`` is what senders have that are overrun, or that count in another unit.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """In the field's own unit.

    low, high: bounds of the plausible; 0 is plausible everywhere, as it is 0 in every unit.
    doubtful: 0 for the same as ``high``.
    usual: about what is there as a rule; by that is guessed in which unit a sender counts. 0 where
        it can only be ours.
    """

    least: float = 0.0
    low: float = 0.0
    high: float = math.inf
    doubtful: float = 0.0
    usual: float = 1.0


_BY_UNIT: Final[Mapping[str, Range]] = {
    "requests": Range(high=1e6),
    "tokens": Range(high=1e9),
    "ratio": Range(high=1.1, usual=0.5),
    "cores": Range(high=4_096),
    "s": Range(high=86_400),
    "bytes": Range(low=1e6, high=4e12, usual=3e10),
    "bytes/s": Range(high=1e13),
    "W": Range(high=3_000, usual=300),
    "°C": Range(least=-273.15, low=-60, high=150, usual=60),
    "MHz": Range(high=20_000, usual=1_500),
}
_BY_NAME: Final[Mapping[str, Range]] = {
    "up": Range(high=1, usual=0),
    "asleep": Range(high=1, usual=0),
    # Bounds are far out: whose pool is overrun must not look as if it counted in milliseconds.
    "ttft_s": Range(high=300, doubtful=30, usual=0.5),
    "prefill_s": Range(high=300, doubtful=30, usual=0.2),
    "queue_s": Range(high=600, doubtful=30, usual=0.1),
    "inter_token_s": Range(high=60, doubtful=5, usual=0.03),
    "duration_s": Range(high=7_200, doubtful=600, usual=5),
    "held_idle_s": Range(high=1e8),
    "memory_total_bytes": Range(low=1e8, high=4e12, usual=5e10),
    "rss_bytes": Range(low=1e6, high=1e13, usual=5e9),
}
_ANYTHING: Final = Range()


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that senders confuse with ours: ``factor`` of ours are one of it."""

    name: str
    factor: float
    symbol: str
    """As ``unit`` of a mapping has it (``streams/maps/units.py``)."""


_CONFUSED: Final[Mapping[str, tuple[Unit, ...]]] = {
    "s": (
        Unit("milliseconds", 1e-3, "ms"),
        Unit("microseconds", 1e-6, "us"),
        Unit("nanoseconds", 1e-9, "ns"),
    ),
    "ratio": (Unit("percent", 1e-2, "%"),),
    "bytes": (
        Unit("kibibytes", 2**10, "KiB"),
        Unit("mebibytes", 2**20, "MiB"),
        Unit("gibibytes", 2**30, "GiB"),
    ),
    "W": (Unit("milliwatts", 1e-3, ""),),
    "°C": (Unit("thousandths of a degree", 1e-3, ""),),
    "MHz": (Unit("kilohertz", 1e-3, ""), Unit("hertz", 1e-6, "")),
}


def range_of(name: str, unit: str) -> Range:
    """Of a feature of the catalogue."""
    return _BY_NAME.get(name) or _BY_UNIT.get(unit, _ANYTHING)


def confused_unit(name: str, unit: str, least: float, most: float) -> Unit | None:
    """In what values from ``least`` to ``most`` may have been counted.

    >>> confused_unit("ttft_s", "s", 640, 1_210).name
    'milliseconds'
    >>> confused_unit("memory_used_bytes", "bytes", 71_000, 81_920).name
    'mebibytes'
    >>> confused_unit("util_ratio", "ratio", 400, 700)
    """
    bounds = range_of(name, unit)
    if least <= 0 or not bounds.usual:
        return None
    middle = math.sqrt(least * most)
    fitting = [
        each
        for each in _CONFUSED.get(unit, ())
        if max(bounds.low, 0) <= least * each.factor and most * each.factor <= bounds.high
    ]
    return min(
        fitting,
        key=lambda each: abs(math.log(middle * each.factor / bounds.usual)),
        default=None,
    )
