"""The pages of engines and GPUs, read every second; an engine that says nothing is silent."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlsplit

import msgspec

from streams.clock import SECOND_US
from streams.errors import SourceUnavailableError
from streams.schemas.telemetry import EngineSample
from streams.sources import gpu_names
from streams.sources.asking import Asker
from streams.sources.dcgm import read_dcgm
from streams.sources.engines import read_engine
from streams.sources.page_reader import SeriesBook
from streams.sources.prometheus_text import parse
from streams.sources.recognise import said_by
from streams.sources.target_meter import Reading, TargetMeter
from streams.sources.targets import Target
from streams.sources.vocabulary import EVERYTHING, WANTED
from tidegate.watch.gauges import PoolGauges
from tidegate.watch.understood import Found, Watched, called, missing, page_sentence


def found_on(url: str, page: bytes) -> Found | None:
    """The engine or the GPUs on a page; None where there are none that we know."""
    samples = parse(page, wanted=(*WANTED, *gpu_names.WANTED)).samples
    names = {sample.name for sample in samples}
    gpus = [gpu for gpu in read_dcgm(samples, at_us=0) if not gpu.parent_uuid]
    serves = not names.isdisjoint(EVERYTHING)
    if not serves and not gpus:
        return None
    models = read_engine(samples).model if serves else ", ".join(sorted({g.model for g in gpus}))
    return Found(
        key=url,
        address=url,
        engine=said_by(names & EVERYTHING if serves else names),
        model=models.partition(",")[0] if serves else models,
        replica=urlsplit(url).netloc,
        lacks=missing(samples) if serves else (),
        gpus=len(gpus),
        serves=serves,
    )


class PagesFeed:
    """Engines and GPUs at addresses of their own, every ``every_s``."""

    lateness_s = 1.0
    behind_us = 0

    def __init__(self, asker: Asker, found: Sequence[Found], *, every_s: int, cluster: str) -> None:
        self.interval_s = every_s
        self.watched: Sequence[Watched] = called(found)
        self._asker = asker
        self._next_us = 0
        self._gauges = PoolGauges(interval_us=every_s * SECOND_US)
        book = SeriesBook()
        self._meters = {
            one.found.address: TargetMeter(
                Target(url=one.found.address, pool=one.pool, replica=one.replica, cluster=cluster),
                book,
            )
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
        read = await asyncio.gather(*(self._read(url, now_us) for url in self._meters))
        records = [record for each in read for record in each]
        engines = [record for record in records if isinstance(record, EngineSample)]
        return [*records, *self._gauges.take(engines)]

    async def _read(self, url: str, now_us: int) -> list[Reading]:
        meter, loop = self._meters[url], asyncio.get_running_loop()
        lens = meter.whole
        began_s = loop.time()
        try:
            async with asyncio.timeout(0.8 * self.interval_s):
                answer = await self._asker.page(url)
        except (TimeoutError, SourceUnavailableError):
            return meter.silent(now_us, loop.time() - began_s)
        return meter.records(lens, lens.read(answer.body), now_us, answer.took_s)
