"""Pages of one target in, records out: of an engine, of GPUs, or of both."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from streams.schemas.telemetry import EngineSample, GpuSample
from streams.sources import gpu_names
from streams.sources.dcgm import DcgmMeter
from streams.sources.engines import plan_page
from streams.sources.meter import EngineMeter, EngineReading
from streams.sources.page_reader import Page, PageReader, Series, SeriesBook
from streams.sources.prometheus_text import Sample
from streams.sources.targets import Target
from streams.sources.versions import About
from streams.sources.vocabulary import EVERYTHING, SIGNALS, STARTED

Reading = EngineSample | GpuSample
_WHOLE: Final = EVERYTHING | gpu_names.NAMES | {STARTED}
_SIGNALS: Final = SIGNALS | {STARTED}


class Lens:
    """Reads one kind of page of a target: the whole, or the signals of its engine.

    plan, gpus: what the lines mean, worked out once for as long as they stay the same.
    engine: whether there is one. knows: whether there is anything that we read.
    """

    def __init__(self, wanted: frozenset[str], book: SeriesBook) -> None:
        self._reader = PageReader(wanted, book)
        self._fit(())

    def read(self, text: bytes) -> Page:
        page = self._reader.read(text)
        if page.series is not self._series:
            self._fit(page.series)
        return page

    def _fit(self, series: Sequence[Series]) -> None:
        self._series = series
        self.plan = plan_page(series)
        self.gpus = [at for at, one in enumerate(series) if one.name in gpu_names.NAMES]
        self.engine = any(one.name in EVERYTHING for one in series)
        self.knows = self.engine or bool(self.gpus)


class TargetMeter:
    """Turns the pages of a target into records, each page given what was on those before.

    What a target is shows on its page; until the first it is taken for an engine. GPUs give a
    record each, and none while their page is silent: that says nothing of them.

    about: what an engine says of itself elsewhere, which goes along; None: not asked yet.
    loaded: its adapters, likewise. lends: whether its page says that it has some to load.
    """

    def __init__(self, target: Target, book: SeriesBook) -> None:
        self.about: About | None = None
        self.loaded, self.lends = "", False
        self._engine = EngineMeter(cluster=target.cluster, pool=target.pool, replica=target.replica)
        host = urlsplit(target.url).hostname or target.replica
        self._gpus = DcgmMeter(cluster=target.cluster, node=host)
        self.whole, self._signals = Lens(_WHOLE, book), Lens(_SIGNALS, book)
        self._only_gpus: bool | None = None

    def lens(self, *, full: bool) -> Lens | None:
        """What to read the next page with; None where only an engine had something to say."""
        if full or self._only_gpus is None:
            return self.whole
        return None if self._only_gpus else self._signals

    def silent(self, at_us: int, waited_s: float) -> list[Reading]:
        return [] if self._only_gpus else [self._engine.silent(at_us, waited_s)]

    def records(self, lens: Lens, page: Page, at_us: int, scrape_s: float) -> list[Reading]:
        """What ``lens`` saw on a page."""
        gpus = [
            Sample(page.series[at].name, page.series[at].labels, page.values[at])
            for at in lens.gpus
        ]
        if lens.knows:
            self._only_gpus = not lens.engine
        engine = None if self._only_gpus else lens.plan.read(page.values)
        self.lends = bool(lens.plan.adapters)
        return self.told(engine, gpus, at_us, scrape_s)

    def told(
        self, engine: EngineReading | None, gpus: Sequence[Sample], at_us: int, scrape_s: float
    ) -> list[Reading]:
        """The same of a page that is taken apart already."""
        found: list[Reading] = [*self._gpus.samples(gpus, at_us)]
        if engine is not None:
            sample = self._engine.sample(engine, at_us, scrape_s)
            said = self.about or About()
            model = sample.model or said.model
            found.append(sample.but(version=said.version, model=model, adapters_loaded=self.loaded))
        return found
