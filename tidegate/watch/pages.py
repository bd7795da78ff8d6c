"""The pages of engines, read every second: each answer a sample, none in time a silent one."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

from streams.clock import SECOND_US
from streams.errors import SourceUnavailableError
from streams.schemas.telemetry import EngineSample
from streams.sources.asking import Answer, Asker
from streams.sources.engines import read_engine
from streams.sources.meter import EngineMeter
from streams.sources.prometheus_text import MAX_BYTES, Exposition, parse
from streams.sources.vocabulary import WANTED
from tidegate.watch.gauges import PoolGauges
from tidegate.watch.understood import Found, Watched, called, engine_of, missing, page_sentence

_MODEL_LABELS: Final = ("model_name", "model")


def found_on(url: str, answer: Answer) -> Found | None:
    """The engine on a page; None where there is none that we know."""
    page = parse(answer.body, wanted=WANTED)
    if not page.samples:
        return None
    return Found(
        key=url,
        address=url,
        engine=engine_of(sample.name for sample in page.samples),
        model=_model(page),
        replica=urlsplit(url).netloc,
        lacks=missing(page.samples),
    )


def _model(page: Exposition) -> str:
    labels = (s.labels.get(name, "") for s in page.samples for name in _MODEL_LABELS)
    return next(filter(None, labels), "")


class PagesFeed:
    """Engines at addresses of their own, every ``every_s``."""

    lateness_s = 1.0
    behind_us = 0

    def __init__(self, asker: Asker, found: Sequence[Found], *, every_s: int, cluster: str) -> None:
        self.interval_s = every_s
        self.watched: Sequence[Watched] = called(found)
        self._asker = asker
        self._next_us = 0
        self._gauges = PoolGauges(interval_us=every_s * SECOND_US)
        self._meters = {
            one.found.address: EngineMeter(cluster=cluster, pool=one.pool, replica=one.replica)
            for one in self.watched
        }

    def sentences(self) -> list[str]:
        return [page_sentence(one) for one in self.watched]

    async def past(self, now_us: int) -> AsyncIterator[Sequence[msgspec.Struct]]:  # noqa: ARG002
        """An engine remembers nothing."""
        nothing: tuple[Sequence[msgspec.Struct], ...] = ()
        for each in nothing:
            yield each

    async def read(self, now_us: int) -> Sequence[msgspec.Struct]:
        if now_us < self._next_us:
            return ()
        self._next_us = now_us + round((self.interval_s - 0.5) * SECOND_US)
        samples = await asyncio.gather(*(self._sample(url, now_us) for url in self._meters))
        return [*samples, *self._gauges.take(samples)]

    async def _sample(self, url: str, now_us: int) -> EngineSample:
        meter, loop = self._meters[url], asyncio.get_running_loop()
        began_s = loop.time()
        try:
            async with asyncio.timeout(0.8 * self.interval_s):
                answer = await self._asker.page(url, max_bytes=MAX_BYTES)
        except (TimeoutError, SourceUnavailableError):
            return meter.silent(now_us, loop.time() - began_s)
        page = parse(answer.body, wanted=WANTED)
        return meter.sample(read_engine(page.samples), now_us, answer.took_s)
