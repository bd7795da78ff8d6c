"""The engines' own metrics, each target read at instants of its own."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from yarl import URL

from streams.clock import SECOND_US, Clock
from streams.log import get_logger
from streams.metrics import SCRAPE_FLAWS, SCRAPE_SKIPPED, SCRAPE_TARGETS, SCRAPES
from streams.schemas.telemetry import EngineSample
from streams.sources.engines import PagePlan, plan_page
from streams.sources.meter import EngineMeter
from streams.sources.page_fetch import PageError, PageFetch
from streams.sources.page_reader import Page, PageReader, SeriesBook
from streams.sources.rhythm import Due, Rhythm, due_after, rhythm_for
from streams.sources.settings import ScrapeSettings
from streams.sources.stalls import Stalls
from streams.sources.targets import Target
from streams.sources.versions import About, about
from streams.sources.vocabulary import EVERYTHING, SIGNALS, STARTED

LARGE: Final = 2**20
"""Longer pages are read in a thread: neighbours must not wait for them."""
SAY_AGAIN_S: Final = 3_600.0
"""What is wrong with a target is said once, and again after this long."""
REST_S: Final = 10.0
"""A target whose pages have no end is left alone for this long."""

log = get_logger(__name__)


@dataclass(slots=True)
class _Lens:
    """What reads one kind of page of one target: the whole, or its signals."""

    reader: PageReader
    plan: PagePlan | None = None
    planned_for: object = None

    def plan_for(self, page: Page) -> PagePlan:
        if self.plan is None or self.planned_for is not page.series:
            self.plan, self.planned_for = plan_page(page.series), page.series
        return self.plan


@dataclass(slots=True)
class _Watched:
    """A target, and all that is remembered of it."""

    target: Target
    meter: EngineMeter
    full: _Lens
    signals: _Lens
    url: URL

    said_s: dict[str, float] = field(default_factory=dict)
    rests_until_us: int = 0
    about: About | None = None
    """None: to be asked for, once the target answers."""


class Scraper:
    """Reads every target until told otherwise; each answer, or its lack, is one sample.

    take: gets each sample; never waits. Make it inside a running loop.
    A target that is slow, endless or nonsense holds up no other and is reported once.
    """

    def __init__(
        self, settings: ScrapeSettings, take: Callable[[EngineSample], object], clock: Clock
    ) -> None:
        self._settings = settings
        self._take = take
        self._clock = clock
        self._fetch = PageFetch(timeout_s=settings.timeout_s)
        self._stalls = Stalls()
        self._book = SeriesBook()
        self._running: dict[Target, asyncio.Task[None]] = {}
        self._rhythm = Rhythm(SECOND_US, 1)
        self._mistake: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def aim(self, targets: Iterable[Target]) -> None:
        """From now on read these; what is no longer among them ends, its memory with it."""
        wanted = set(targets)
        settings = self._settings
        self._rhythm = rhythm_for(
            len(wanted),
            signals_every_s=settings.signals_every_s,
            full_every_s=settings.full_every_s,
            pages_per_s=settings.pages_per_s,
        )
        for gone in self._running.keys() - wanted:
            self._running.pop(gone).cancel()
        for new in wanted - self._running.keys():
            task = asyncio.create_task(self._follow(new), name=f"scrape {new.key}")
            task.add_done_callback(self._ended)
            self._running[new] = task
        SCRAPE_TARGETS.set(len(wanted))

    async def run(self) -> None:
        """Until cancelled; a mistake of ours in reading a target ends it with that error."""
        try:
            await self._mistake
        finally:
            await self.close()

    async def close(self) -> None:
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._running.clear()
        self._stalls.stop()
        await self._fetch.close()

    async def read(self, target: Target, at_us: int) -> EngineSample | None:
        """One sample of a target that is not watched; None if we stood still meanwhile."""
        return await self._look(self._watched(target), Due(at_us, full=True))

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (exc := task.exception()) and not self._mistake.done():
            self._mistake.set_exception(exc)

    async def _follow(self, target: Target) -> None:
        watched = self._watched(target)
        last_us = self._clock()
        while True:
            last_us = max(last_us, watched.rests_until_us)
            due = due_after(self._rhythm, target.key, last_us, self._clock())
            SCRAPE_SKIPPED.inc(max(0, (due.at_us - last_us) // self._rhythm.signals_us - 1))
            last_us = due.at_us
            await asyncio.sleep((due.at_us - self._clock()) / SECOND_US)
            if sample := await self._look(watched, due):
                self._take(sample)
                await self._ask(watched, sample)

    async def _ask(self, watched: _Watched, sample: EngineSample) -> None:
        """Once, and again when an engine is back: it may be another by now."""
        if not sample.up or sample.restarts:
            watched.about = None
        elif watched.about is None and sample.engine:
            watched.about = await about(sample.engine, watched.url, self._fetch)

    def _watched(self, target: Target) -> _Watched:
        return _Watched(
            target,
            EngineMeter(cluster=target.cluster, pool=target.pool, replica=target.replica),
            _Lens(PageReader(EVERYTHING | {STARTED}, self._book)),
            _Lens(PageReader(SIGNALS | {STARTED}, self._book)),
            URL(target.url),
        )

    async def _look(self, watched: _Watched, due: Due) -> EngineSample | None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            text, cut = await self._fetch.page(watched.url)
        except PageError as exc:
            if exc.trouble == "timeout" and self._stalls.since(began_s):
                SCRAPES.labels("held_up").inc()
                return None
            SCRAPES.labels(exc.trouble).inc()
            self._say(watched, exc.trouble, str(exc))
            return watched.meter.silent(due.at_us, loop.time() - began_s)
        scrape_s = loop.time() - began_s
        lens = watched.full if due.full else watched.signals
        page = await _read(lens.reader, text)
        SCRAPES.labels("read" if _is_engine(page) else "no_engine").inc()
        if cut:
            watched.rests_until_us = due.at_us + round(REST_S * SECOND_US)
        self._check(watched, page, cut=cut)
        reading = lens.plan_for(page).read(page.values)
        sample = watched.meter.sample(reading, due.at_us, scrape_s)
        said = watched.about or About()
        return sample.but(version=said.version, model=sample.model or said.model)

    def _check(self, watched: _Watched, page: Page, *, cut: bool) -> None:
        flaws = {
            "broken": page.broken,
            "repeated": page.repeated,
            "timestamped": page.timestamped,
            "cut": int(cut or page.cut),
            "no_engine": int(not _is_engine(page)),
        }
        for flaw, count in flaws.items():
            if count:
                SCRAPE_FLAWS.labels(flaw).inc(count)
                self._say(watched, flaw, f"{count} of its lines, or the page itself")

    def _say(self, watched: _Watched, trouble: str, detail: str) -> None:
        """Each trouble of a target once, however often it is met."""
        now_s = self._clock() / SECOND_US
        if now_s - watched.said_s.get(trouble, -SAY_AGAIN_S) < SAY_AGAIN_S:
            return
        watched.said_s[trouble] = now_s
        target = watched.target
        log.warning(
            "scrape_trouble",
            target=target.key,
            url=_shown(target.url),
            trouble=trouble,
            detail=detail,
        )


async def _read(reader: PageReader, text: bytes) -> Page:
    if len(text) < LARGE:
        return reader.read(text)
    return await asyncio.to_thread(reader.read, text)


def _is_engine(page: Page) -> bool:
    return any(one.name != STARTED for one in page.series)


def _shown(url: str) -> str:
    """An address without what may be secret in it."""
    return str(URL(url).with_user(None).with_query(None))
