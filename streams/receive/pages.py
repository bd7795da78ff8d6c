"""Points of metrics in, samples of engines and GPUs out: pure.

Senders cut what they read at one instant into several requests. So points of a replica at an
instant are put together on a page, and a page is read a second after its first point came.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from streams.clock import SECOND_US
from streams.receive.points import HistogramPoint, Labels, Place, Point
from streams.schemas.telemetry import EngineSample, GpuSample
from streams.sources import gpu_names
from streams.sources.dcgm import DcgmMeter
from streams.sources.engines import read_engine
from streams.sources.meter import EngineMeter
from streams.sources.prometheus_text import Sample
from streams.sources.vocabulary import EVERYTHING, STARTED

HOLD_US: Final = SECOND_US
FORGOTTEN_US: Final = 3_600 * SECOND_US
MAX_SERIES: Final = 500_000
MAX_PAGES: Final = 20_000

MAX_HISTOGRAMS: Final = 20_000

Refusal = Literal["out_of_order", "too_many"]


@dataclass(slots=True)
class _Series:
    total: float
    """Of all increases since we know it."""
    last: float
    start_us: int
    at_us: int


@dataclass(slots=True)
class _Page:
    due_us: int
    at_us: int = 0
    since_us: int = 0
    before: list[Sample] = field(default_factory=list)
    now: list[Sample] = field(default_factory=list)
    gpus: list[Sample] = field(default_factory=list)
    up: float | None = None


class Pages:
    """Keeps the totals of every series, so that resets and kinds of counters are all the same.

    A total that went down, or that counts from another start, was reset: all it shows is new. Of
    a total that is seen for the first time nothing is new; an increase is new whenever it comes.
    """

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster
        self._series: dict[tuple[Place, str, Labels], _Series] = {}
        self._histograms: dict[tuple[Place, str, Labels], HistogramPoint] = {}
        self._pages: dict[tuple[Place, int], _Page] = {}
        self._heard_us: dict[Place, int] = {}
        self._engines: set[Place] = set()
        self._meters: dict[Place, DcgmMeter] = {}

    def take(self, point: Point | HistogramPoint, now_us: int) -> Refusal | None:
        """None if it was taken, or if it is none of what engines say; an older one is refused."""
        if isinstance(point, HistogramPoint):
            return self._take_histogram(point, now_us)
        return self._take_value(point, now_us)

    def _take_value(self, point: Point, now_us: int) -> Refusal | None:
        if point.name == "up":
            if point.place in self._engines:
                self._page(point, now_us).up = point.value
            return None
        of_gpu = point.name in gpu_names.NAMES
        of_engine = point.name in EVERYTHING or (
            point.name == STARTED and point.place in self._engines
        )
        if not of_engine and not of_gpu:
            return None
        key = (point.place, point.name, point.labels)
        known = self._series.get(key)
        if known is not None and point.at_us <= known.at_us:
            # A sender that heard no answer sends the same again.
            repeated = (point.at_us, point.value) == (known.at_us, known.last)
            return None if repeated else "out_of_order"
        if (known is None and len(self._series) >= MAX_SERIES) or len(self._pages) >= MAX_PAGES:
            return "too_many"
        self._heard_us[point.place] = now_us
        page = self._page(point, now_us)
        before, since_us = (known.total, known.at_us) if known else (0.0, point.start_us)
        self._series[key] = series = _moved(known, point)
        if known is None and point.kind == "total":
            before = series.total
        labels = dict(point.labels)
        page.at_us = max(page.at_us, point.at_us)
        if of_gpu:  # Cumulative counters of GPUs stay cumulative.
            page.gpus.append(Sample(point.name, labels, point.value))
            return None
        self._engines.add(point.place)
        if point.kind != "level" and since_us:
            page.since_us = min(page.since_us or since_us, since_us)
        page.before.append(Sample(point.name, labels, before))
        page.now.append(Sample(point.name, labels, series.total))
        return None

    def _take_histogram(self, point: HistogramPoint, now_us: int) -> Refusal | None:
        key = (point.place, point.name, point.labels)
        known = self._histograms.get(key)
        if known is not None and point.at_us <= known.at_us:
            return None if point == known else "out_of_order"
        if known is None and len(self._histograms) >= MAX_HISTOGRAMS:
            return "too_many"
        self._heard_us[point.place] = now_us
        self._histograms[key] = point
        refused = (self.take(part, now_us) for part in point.since(known))
        return next(filter(None, refused), None)

    def due(self, now_us: int) -> Iterator[EngineSample | GpuSample]:
        """What is complete by now; call about once a second."""
        for key, page in list(self._pages.items()):
            if page.due_us <= now_us:
                del self._pages[key]
                yield from self._gpu_samples(key[0], page)
                if page.now or page.up is not None:
                    yield _sample(self._cluster, key[0], page)
        silent = {at for at, us in self._heard_us.items() if us < now_us - FORGOTTEN_US}
        if silent:
            self._heard_us = {at: us for at, us in self._heard_us.items() if at not in silent}
            self._series = {key: s for key, s in self._series.items() if key[0] not in silent}
            self._histograms = {k: h for k, h in self._histograms.items() if k[0] not in silent}
            self._engines -= silent
            self._meters = {at: m for at, m in self._meters.items() if at not in silent}

    def _gpu_samples(self, place: Place, page: _Page) -> list[GpuSample]:
        if not page.gpus:
            return []
        node = place[1].rpartition(":")[0] or place[1]
        meter = self._meters.setdefault(place, DcgmMeter(cluster=self._cluster, node=node))
        return meter.samples(page.gpus, page.at_us)

    def _page(self, point: Point, now_us: int) -> _Page:
        key = (point.place, point.at_us // SECOND_US)
        if key not in self._pages:
            self._pages[key] = _Page(now_us + HOLD_US, at_us=point.at_us)
        return self._pages[key]


def _moved(known: _Series | None, point: Point) -> _Series:
    value = point.value
    if point.kind == "level" or known is None:
        total = value
    elif point.kind == "increase":
        total = known.total + value
    else:
        reset = value < known.last or 0 < known.start_us < point.start_us
        total = known.total + (value if reset else value - known.last)
    return _Series(total, value, point.start_us, point.at_us)


def _sample(cluster: str, place: Place, page: _Page) -> EngineSample:
    pool, replica = place
    meter = EngineMeter(cluster=cluster, pool=pool, replica=replica)
    since_us = page.since_us if 0 < page.since_us < page.at_us else page.at_us - SECOND_US
    meter.sample(read_engine(page.before), since_us, 0.0)
    sample = meter.sample(read_engine(page.now), page.at_us, 0.0)
    return sample.but(scrape_s=None, up=1.0 if page.up is None else page.up)
