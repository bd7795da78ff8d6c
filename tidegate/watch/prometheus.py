"""A Prometheus as a feed: its past first, at full speed, then what it scrapes from now on."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final, Self

import msgspec

from streams.clock import SECOND_US
from streams.schemas.telemetry import EngineSample
from streams.sources import gpu_names
from streams.sources.engines import read_engine
from streams.sources.page_reader import SeriesBook
from streams.sources.prometheus_query import PrometheusQuery, piece_us
from streams.sources.prometheus_series import (
    SERIES,
    Page,
    TargetKey,
    every_us,
    newest_us,
    pages,
    target_of,
    whole_seconds,
)
from streams.sources.target_meter import Reading, TargetMeter
from streams.sources.targets import Target
from tidegate.watch.census import Census
from tidegate.watch.gauges import PoolGauges
from tidegate.watch.understood import Watched, pools_sentence

POLL_S: Final = 5
"""At most so long until a scrape is seen."""
SETTLE_S: Final = 2
"""From a scrape to where it can be asked for."""
MOST_WINDOWS: Final = 2_000
"""Of the past: what takes a few seconds to go through."""
PROBE_US: Final = 300 * SECOND_US
"""Of so much of the past it is seen how often it scrapes."""
LOOK_US: Final = 60 * SECOND_US
"""How often it is asked who there is."""
LONGEST_US: Final = 600 * SECOND_US
"""After a longer time without an answer what lies before is left out."""


class PrometheusFeed:
    """The engines and GPUs that a Prometheus scrapes, read as it scraped them."""

    def __init__(self, query: PrometheusQuery, version: str, cluster: str) -> None:
        self.interval_s = 15
        self.lateness_s = float(POLL_S + SETTLE_S)
        self.behind_us = 0
        self._query = query
        self._version = version
        self._cluster = cluster
        self._census = Census()
        self._names: list[str] = []
        self._series = 0
        self._meters: dict[TargetKey, TargetMeter] = {}
        self._serving: set[TargetKey] = set()
        self._read_us: dict[TargetKey, int] = {}
        self._gauges = PoolGauges()
        self._age_s = 0.0
        self._seen_us = self._next_us = self._look_us = 0

    @classmethod
    async def open(
        cls, query: PrometheusQuery, now_us: int, *, history_s: float, cluster: str
    ) -> Self | None:
        """None where it has nothing that we know. Raises SourceUnavailableError."""
        feed = cls(query, await query.version(), cluster)
        await feed._look(now_us)
        if not feed.watched:
            return None
        probe = await query.samples(feed._names, (), now_us - PROBE_US, now_us)
        feed._tune(every_us(probe), max(0, now_us - newest_us(probe)))
        past_s = min(history_s, MOST_WINDOWS * feed.interval_s)
        feed._seen_us = now_us - round(past_s * SECOND_US)
        return feed

    @property
    def watched(self) -> Sequence[Watched]:
        return self._census.watched

    def _tune(self, gap_us: int | None, age_us: int) -> None:
        """To how often it scrapes, and how old its newest samples are."""
        self.interval_s = whole_seconds(gap_us or self.interval_s * SECOND_US)
        self.lateness_s = float(min(POLL_S, self.interval_s) + SETTLE_S)
        self._gauges = PoolGauges(interval_us=self.interval_s * SECOND_US)
        self._age_s = age_us / SECOND_US
        usual_us = (self.interval_s + POLL_S) * SECOND_US
        self.behind_us = age_us if age_us > usual_us else 0

    async def _look(self, now_us: int) -> None:
        """Who there is; once a minute."""
        if now_us < self._look_us:
            return
        self._look_us = now_us + LOOK_US
        series = await self._query.present(SERIES)
        jobs = {target_of(labels).job for labels in series}
        scraped = await self._query.scraped(jobs) if jobs else []
        self._names = sorted({labels["__name__"] for labels in series})
        self._series = len(series)
        self._census.take(series, scraped)
        known = {k: one for one in self.watched if isinstance(k := one.found.key, TargetKey)}
        self._meters = {k: self._meters.get(k) or self._meter(k, one) for k, one in known.items()}
        self._serving = {key for key, one in known.items() if one.found.serves}
        self._read_us = {key: at for key, at in self._read_us.items() if key in self._meters}

    def sentences(self) -> list[str]:
        said = f"{self._query.url}: Prometheus {self._version}".rstrip()
        said += f" with {pools_sentence(self.watched)}; it scrapes them every {self.interval_s} s"
        said += f", the newest sample is {self._age_s:.0f} s old"
        return [said, *(f"{self._query.url} warns: {one}" for one in sorted(self._query.warnings))]

    async def past(self, now_us: int) -> AsyncIterator[Sequence[msgspec.Struct]]:
        until_us = now_us - self.behind_us
        piece = piece_us(self._series, self.interval_s * SECOND_US)
        span = (self._seen_us, until_us)
        async for series in self._query.history(self._names, self._meters, span, piece):
            yield self._records(pages(series))
        self._seen_us = until_us

    async def read(self, now_us: int) -> Sequence[msgspec.Struct]:
        if now_us < self._next_us:
            return ()
        self._next_us = now_us + min(POLL_S, self.interval_s) * SECOND_US
        # What is scraped is there a moment later: the last interval is asked for twice.
        again_us = (self.interval_s + SETTLE_S) * SECOND_US
        from_us = max(self._seen_us - again_us, now_us - self.behind_us - LONGEST_US)
        await self._look(now_us)
        series = await self._query.samples(self._names, self._meters, from_us, now_us)
        self._seen_us = now_us
        return self._records(pages(series))

    def _records(self, found: Iterable[Page]) -> list[msgspec.Struct]:
        records = [record for page in found for record in self._readings(page)]
        engines = [record for record in records if isinstance(record, EngineSample)]
        return [*records, *self._gauges.take(engines)]

    def _readings(self, page: Page) -> list[Reading]:
        meter, serves = self._meters.get(page.target), page.target in self._serving
        if meter is None or page.at_us <= self._read_us.get(page.target, 0):
            return []
        self._read_us[page.target] = page.at_us
        if not page.up:
            return meter.silent(page.at_us, page.scrape_s) if serves else []
        gpus = [sample for sample in page.samples if sample.name in gpu_names.NAMES]
        engine = read_engine(page.samples) if serves else None
        return meter.told(engine, gpus, page.at_us, page.scrape_s)

    def _meter(self, key: TargetKey, watched: Watched) -> TargetMeter:
        target = Target(
            url=f"http://{key.instance}",
            pool=watched.pool,
            replica=watched.replica,
            cluster=self._cluster,
        )
        return TargetMeter(target, SeriesBook())
