"""One value, or one histogram, of one series: what bodies say, in one form."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from streams.receive.histograms import Histogram, since

Labels = tuple[tuple[str, str], ...]
Place = tuple[str, str]
"""Pool and replica."""
Kind = Literal["level", "total", "increase"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One value of one series; names as in exposition text, ``_total``, ``_sum`` and all.

    kind: a ``level``; a ``total`` since ``start_us`` (0: not told); an ``increase`` by itself.
    """

    place: Place
    at_us: int
    name: str
    value: float
    labels: Labels = ()
    kind: Kind = "level"
    start_us: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramPoint:
    """One histogram whose buckets may be others than those before it; name without `_bucket`."""

    place: Place
    at_us: int
    name: str
    value: Histogram
    labels: Labels = ()
    kind: Literal["total", "increase"] = "total"
    start_us: int = 0

    def since(self, before: "HistogramPoint | None") -> Iterator[Point]:
        """What is new in it, in parts as exposition text has them; of a first total, nothing."""
        value, start_us = self._value_since(before), before.at_us if before else self.start_us
        if value is None:
            return
        parts: list[tuple[str, float, Labels]] = [
            ("_count", value.count, ()),
            ("_sum", value.sum, ()),
        ]
        parts += [
            ("_bucket", reached, (("le", "+Inf" if bound == math.inf else repr(bound)),))
            for bound, reached in value.up_to()
        ]
        for end, number, more in parts:
            yield Point(
                place=self.place,
                at_us=self.at_us,
                name=f"{self.name}{end}",
                value=number,
                labels=(*self.labels, *more),
                kind="increase",
                start_us=start_us,
            )

    def _value_since(self, before: "HistogramPoint | None") -> Histogram | None:
        if self.kind == "increase":
            return self.value
        if before is None:
            return None
        again = 0 < before.start_us < self.start_us
        return self.value if again else since(before.value, self.value)


def place_of(
    labels: Mapping[str, str], pools: tuple[str, ...], replicas: tuple[str, ...]
) -> Place | None:
    """Pool and replica by the first of these labels that are there."""
    pool = next((labels[name] for name in pools if labels.get(name)), "")
    replica = next((labels[name] for name in replicas if labels.get(name)), "")
    return (pool, replica) if pool and replica else None
