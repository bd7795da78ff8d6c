"""Samples of a soak in; for each process and measure, whether it grows, out."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import numpy as np

from streams.windows.table import Floats

MAX_POINTS: Final = 600
"""Of a long run every n-th sample is taken: the slope needs all pairs."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of one process, or of the system (``of`` is `stream`), at one time."""

    stretch: int
    at_s: float
    """Since this stretch began; after an interruption a new one begins."""
    of: str
    values: dict[str, float]


class Bound(msgspec.Struct, frozen=True):
    """A measure may grow by ``absolute`` or by ``share`` of its mean, judged from ``warm_s`` on."""

    absolute: float
    share: float = 0.0
    warm_s: float = 60.0


BOUNDS: Final = {
    # A cache that fills is not to be told from a leak until it is full: INGEST's sets of labels are
    # after 200 s, with a million names in twenty minutes, WATCH's rows and rings before that.
    "rss_mb": Bound(8.0, 0.05, warm_s=300.0),
    "handles": Bound(2.0),
    "threads": Bound(2.0),
    "lag": Bound(2_000.0),
    "behind_s": Bound(1.0),
}


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    of: str
    measure: str
    mean: float
    highest: float
    grown: float
    """The slope times all the time, also that which was not judged: a leak would leak there too."""
    allowed: float

    @property
    def flat(self) -> bool:
        return self.grown <= self.allowed


def growths(samples: Iterable[Sample]) -> list[Growth]:
    """One for each process and measure with at least three samples after the warm-up."""
    series: defaultdict[tuple[str, str], list[tuple[int, float, float]]] = defaultdict(list)
    for sample in samples:
        for measure, value in sample.values.items():
            if sample.at_s >= BOUNDS[measure].warm_s:
                series[sample.of, measure].append((sample.stretch, sample.at_s, value))
    return [_growth(of, measure, seen) for (of, measure), seen in sorted(series.items())]


def _growth(of: str, measure: str, seen: Sequence[tuple[int, float, float]]) -> Growth:
    values = np.array([value for _, _, value in seen])
    slopes, soaked_s = [np.zeros(0)], 0.0
    for stretch in sorted({one for one, _, _ in seen}):
        mine = np.array([(at_s, value) for one, at_s, value in seen if one == stretch])
        mine = mine[:: max(1, len(mine) // MAX_POINTS)]
        soaked_s += float(mine[-1, 0])
        slopes.append(_slopes(mine[:, 0], mine[:, 1]))
    every = np.concatenate(slopes)
    # Theil-Sen, the median over all pairs: a spike or a cleared cache does not tilt it.
    slope = float(np.median(every)) if every.size else 0.0
    bound = BOUNDS[measure]
    return Growth(
        of=of,
        measure=measure,
        mean=float(values.mean()),
        highest=float(values.max()),
        grown=slope * soaked_s,
        allowed=max(bound.absolute, bound.share * float(values.mean())),
    )


def _slopes(at_s: Floats, values: Floats) -> Floats:
    first, second = np.triu_indices(at_s.size, 1)
    apart = at_s[second] - at_s[first]
    slopes: Floats = (values[second] - values[first])[apart > 0] / apart[apart > 0]
    return slopes


def markdown(found: Sequence[Growth]) -> str:
    lines = [
        "| process | measure | mean | highest | grown | allowed | flat |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.of} | {one.measure} | {one.mean:,.1f} | {one.highest:,.1f} | {one.grown:+,.1f} "
        f"| {one.allowed:,.1f} | {'yes' if one.flat else '**no**'} |"
        for one in found
    ]
    return "\n".join(lines) + "\n"
