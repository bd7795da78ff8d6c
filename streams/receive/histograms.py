"""Histograms whose buckets move from one message to the next in, what came between them out: pure.

Prometheus' native histograms and OTLP's exponential ones divide each doubling into ``2 ** scale``
buckets, name only those that hold something, and make them coarser when they become too many. What
came between two messages is told by the buckets of the coarser one.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

MAX_BUCKETS: Final = 160
"""As many as Prometheus and OpenTelemetry keep by default; more are made coarser."""
SCALES: Final = range(-10, 21)
_DOUBLINGS: Final = 64
"""Values beyond 2 ** ±64 count as that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How many values lie where.

    counts: place -> values that are at most its bound, and more than that of the place before.
    bounds: of the places; without them place ``i`` ends at ``2 ** (i / 2 ** scale)``.
    below: values at most ``least``, in no place.
    """

    counts: Mapping[int, float]
    sum: float
    scale: int = 0
    bounds: tuple[float, ...] = ()
    below: float = 0.0
    least: float = 0.0

    @property
    def count(self) -> float:
        return self.below + sum(self.counts.values())

    def bound(self, place: int) -> float:
        if self.bounds:
            return self.bounds[place] if place < len(self.bounds) else math.inf
        return float(2.0 ** (place * 2.0**-self.scale))

    def up_to(self) -> Iterator[tuple[float, float]]:
        """Both ends of what is not empty, at last infinity; how many values are at most that."""
        reached = self.below
        if reached:
            yield self.least, reached
        for place in sorted(self.counts):
            if place - 1 not in self.counts and not (self.bounds and place == 0):
                yield self.bound(place - 1), reached
            reached += self.counts[place]
            if (bound := self.bound(place)) < math.inf:
                yield bound, reached
        yield math.inf, reached


Unfit = Literal["not_finite", "negative", "scale"]


def kept(given: Histogram) -> Histogram | Unfit:
    """With no more and no wilder buckets than we keep, or why it is not kept."""
    if not (math.isfinite(given.sum) and math.isfinite(given.count)):
        return "not_finite"
    if min(given.counts.values(), default=0) < 0:
        return "negative"
    if given.bounds:
        return given
    if given.scale not in SCALES:
        return "scale"
    most = math.ceil(_DOUBLINGS * 2.0**given.scale)
    counts: dict[int, float] = defaultdict(float)
    for place, count in given.counts.items():
        counts[min(max(place, -most), most)] += count
    found = replace(given, counts=counts)
    while len(found.counts) > MAX_BUCKETS:
        found = _coarser(found, found.scale - 1)
    return found


def since(before: Histogram, now: Histogram) -> Histogram | None:
    """What came in between; all of it after a reset, None where the bounds are others."""
    if before.bounds != now.bounds:
        return None
    if now.count < before.count:
        return now
    scale = min(before.scale, now.scale)
    then, now = _coarser(_raised(before, now.least), scale), _coarser(now, scale)
    came = {place: count - then.counts.get(place, 0) for place, count in now.counts.items()}
    return replace(
        now,
        counts={place: count for place, count in came.items() if count > 0},
        below=max(0.0, now.below - then.below),
        sum=now.sum - before.sum,
    )


def _coarser(given: Histogram, scale: int) -> Histogram:
    if given.bounds or given.scale == scale:
        return given
    counts: dict[int, float] = defaultdict(float)
    for place, count in given.counts.items():
        counts[-(-place >> (given.scale - scale))] += count
    return replace(given, counts=counts, scale=scale)


def _raised(given: Histogram, least: float) -> Histogram:
    """As it would be if ``least`` had been what it is now: whoever counts may move it up."""
    under = {place for place in given.counts if given.bound(place) <= least}
    return replace(
        given,
        counts={place: count for place, count in given.counts.items() if place not in under},
        below=given.below + sum(given.counts[place] for place in under),
    )
