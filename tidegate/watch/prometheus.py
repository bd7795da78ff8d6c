"""A Prometheus as a feed: its past first, at full speed, then what it scrapes from now on."""

from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, Self

import msgspec

from streams.clock import SECOND_US
from streams.schemas.telemetry import EngineSample
from streams.sources.engines import EngineMeter, read_engine
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
from tidegate.watch.gauges import PoolGauges
from tidegate.watch.understood import Found, called, engine_of, plain, pools_sentence

POLL_S: Final = 5
"""At most so long until a scrape is seen."""
SETTLE_S: Final = 2
"""From a scrape to where it can be asked for."""
MOST_WINDOWS: Final = 2_000
"""Of the past: what takes a few seconds to go through."""
PROBE_US: Final = 300 * SECOND_US
"""Of so much of the past it is seen how often it scrapes."""
LONGEST_US: Final = 600 * SECOND_US
"""After a longer time without an answer what lies before is left out."""


class PrometheusFeed:
    """The engines that a Prometheus scrapes, read as it scraped them."""

    def __init__(
        self,
        query: PrometheusQuery,
        version: str,
        series: Sequence[Mapping[str, str]],
        silent: Collection[TargetKey],
    ) -> None:
        self.interval_s = 15
        self.lateness_s = float(POLL_S + SETTLE_S)
        self.behind_us = 0
        self._query = query
        self._version = version
        self._series = len(series)
        self._names = sorted({labels["__name__"] for labels in series})
        self.watched = called([*(found := _found(series)), *_silent(found, silent)])
        self._targets = {
            key: one for one in self.watched if isinstance(key := one.found.key, TargetKey)
        }
        self._meters: dict[TargetKey, EngineMeter] = {}
        self._read_us: dict[TargetKey, int] = {}
        self._gauges = PoolGauges()
        self._age_s = 0.0
        self._seen_us = 0
        self._next_us = 0

    @classmethod
    async def open(
        cls, query: PrometheusQuery, now_us: int, *, history_s: float, cluster: str
    ) -> Self | None:
        """None where it has nothing that we know. Raises SourceUnavailableError."""
        version = await query.version()
        series = await query.present(SERIES)
        if not series:
            return None
        jobs = {key.job for key in map(target_of, series)}
        feed = cls(query, version, series, _down(await query.scraped(jobs), series))
        feed._meters = {
            key: EngineMeter(cluster=cluster, pool=one.pool, replica=one.replica)
            for key, one in feed._targets.items()
        }
        probe = await query.samples(feed._names, (), now_us - PROBE_US, now_us)
        feed.interval_s = whole_seconds(every_us(probe) or feed.interval_s * SECOND_US)
        feed.lateness_s = float(min(POLL_S, feed.interval_s) + SETTLE_S)
        feed._gauges = PoolGauges(interval_us=feed.interval_s * SECOND_US)
        age_us = max(0, now_us - newest_us(probe))
        feed._age_s = age_us / SECOND_US
        usual_us = (feed.interval_s + POLL_S) * SECOND_US
        feed.behind_us = age_us if age_us > usual_us else 0
        past_s = min(history_s, MOST_WINDOWS * feed.interval_s)
        feed._seen_us = now_us - round(past_s * SECOND_US)
        return feed

    def sentences(self) -> list[str]:
        said = f"{self._query.url}: Prometheus {self._version}".rstrip()
        said += f" with {pools_sentence(self.watched)}; it scrapes them every {self.interval_s} s"
        said += f", the newest sample is {self._age_s:.0f} s old"
        return [said, *(f"{self._query.url} warns: {one}" for one in sorted(self._query.warnings))]

    async def past(self, now_us: int) -> AsyncIterator[Sequence[msgspec.Struct]]:
        until_us = now_us - self.behind_us
        piece = piece_us(self._series, self.interval_s * SECOND_US)
        span = (self._seen_us, until_us)
        async for series in self._query.history(self._names, self._targets, span, piece):
            yield self._records(pages(series))
        self._seen_us = until_us

    async def read(self, now_us: int) -> Sequence[msgspec.Struct]:
        if now_us < self._next_us:
            return ()
        self._next_us = now_us + min(POLL_S, self.interval_s) * SECOND_US
        # What is scraped is there a moment later: the last interval is asked for twice.
        again_us = (self.interval_s + SETTLE_S) * SECOND_US
        from_us = max(self._seen_us - again_us, now_us - self.behind_us - LONGEST_US)
        series = await self._query.samples(self._names, self._targets, from_us, now_us)
        self._seen_us = now_us
        return self._records(pages(series))

    def _records(self, found: Iterable[Page]) -> list[msgspec.Struct]:
        samples = [sample for page in found if (sample := self._sample(page))]
        return [*samples, *self._gauges.take(samples)]

    def _sample(self, page: Page) -> EngineSample | None:
        meter = self._meters.get(page.target)
        if meter is None or page.at_us <= self._read_us.get(page.target, 0):
            return None
        self._read_us[page.target] = page.at_us
        if not page.up:
            return meter.silent(page.at_us, page.scrape_s)
        return meter.sample(read_engine(page.samples), page.at_us, page.scrape_s)


def _down(
    scraped: Iterable[tuple[TargetKey, bool]], series: Iterable[Mapping[str, str]]
) -> list[TargetKey]:
    """Silent targets of jobs in which all that answer are engines: what else should they be."""
    engines = {target_of(labels) for labels in series}
    jobs: dict[str, list[tuple[TargetKey, bool]]] = {}
    for key, up in scraped:
        jobs.setdefault(key.job, []).append((key, up))
    alike = [each for each in jobs.values() if all(key in engines for key, up in each if up)]
    return sorted(key for each in alike for key, up in each if not up and key not in engines)


def _silent(found: Sequence[Found], keys: Iterable[TargetKey]) -> Iterator[Found]:
    """As fellows of those of their job that answer."""
    fellow = {one.key.job: one for one in found if isinstance(one.key, TargetKey)}
    for key in keys:
        yield replace(
            fellow[key.job], key=key, address=key.instance, replica=key.instance, up=False
        )


def _found(series: Iterable[Mapping[str, str]]) -> list[Found]:
    by_target: dict[TargetKey, list[Mapping[str, str]]] = {}
    for labels in series:
        by_target.setdefault(target_of(labels), []).append(labels)
    return [_one(key, members) for key, members in sorted(by_target.items())]


def _one(key: TargetKey, series: Sequence[Mapping[str, str]]) -> Found:
    def first(*names: str) -> str:
        values = (labels.get(name, "") for name in names for labels in series)
        return next(filter(None, values), "")

    place = plain("-".join(filter(None, (key.cluster, first("namespace"), key.job))))
    return Found(
        key=key,
        address=key.instance,
        engine=engine_of(labels["__name__"] for labels in series),
        model=first("model_name", "model"),
        replica=first("pod") or key.instance,
        place=place,
    )
