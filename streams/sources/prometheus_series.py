"""Series of a Prometheus in, the pages that it scraped out: which target said what, and when."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, NamedTuple

from streams.clock import SECOND_US
from streams.sources import gpu_names
from streams.sources.prometheus_text import Sample
from streams.sources.vocabulary import WANTED

UP: Final = "up"
SCRAPE_S: Final = "scrape_duration_seconds"


@dataclass(frozen=True, slots=True)
class Series:
    """What a Prometheus stores of one series: samples at the instants at which it scraped them."""

    labels: Mapping[str, str]
    points: Sequence[tuple[int, float]]
    """(microseconds, value), oldest first."""


class TargetKey(NamedTuple):
    """What a Prometheus scrapes as one."""

    cluster: str
    job: str
    instance: str


class Page(NamedTuple):
    """What one target said at one scrape; ``up`` is False where it did not answer."""

    at_us: int
    target: TargetKey
    samples: tuple[Sample, ...]
    up: bool
    scrape_s: float


SERIES: Final = frozenset(
    part
    for name in WANTED
    if not name.endswith("_bucket")
    for part in (
        (f"{name}_sum", f"{name}_count") if name.endswith(("_seconds", "_duration")) else (name,)
    )
).union(gpu_names.NAMES)
"""What is asked for: all of GPUs, and of histograms only sum and count: buckets would be twenty
times as much."""


def target_of(labels: Mapping[str, str]) -> TargetKey:
    return TargetKey(labels.get("cluster", ""), labels.get("job", ""), labels.get("instance", ""))


def pages(series: Iterable[Series]) -> Iterator[Page]:
    """Scrapes in the order of their time: all samples of a scrape have its instant."""
    found: defaultdict[tuple[int, TargetKey], list[Sample]] = defaultdict(list)
    for one in series:
        key, name = target_of(one.labels), one.labels.get("__name__", "")
        for at_us, value in one.points:
            found[at_us, key].append(Sample(name, one.labels, value))
    for (at_us, key), samples in sorted(found.items(), key=lambda item: item[0]):
        own = {sample.name: sample.value for sample in samples if sample.name in {UP, SCRAPE_S}}
        rest = tuple(sample for sample in samples if sample.name not in {UP, SCRAPE_S})
        # Its own word on a scrape comes without the metrics only where the scrape failed.
        if rest or own.get(UP) == 0:
            yield Page(at_us, key, rest, own.get(UP, 1) > 0, own.get(SCRAPE_S, 0.0))


def every_us(series: Iterable[Series]) -> int | None:
    """The usual time from one sample to the next; None where no series has two."""
    gaps = [
        after - before
        for one in series
        for (before, _), (after, _) in zip(one.points, one.points[1:], strict=False)
    ]
    return round(median(gaps)) if gaps else None


def newest_us(series: Iterable[Series]) -> int:
    return max((one.points[-1][0] for one in series if one.points), default=0)


def whole_seconds(gap_us: int) -> int:
    """Length of the windows that hold one scrape of each target.

    >>> whole_seconds(15_002_000), whole_seconds(400_000)
    (15, 1)
    """
    return max(1, round(gap_us / SECOND_US))
