"""Pages of engines and of GPUs, each target read at instants of its own."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from streams.clock import SECOND_US, Clock
from streams.errors import SourceUnavailableError
from streams.log import get_logger
from streams.metrics import SCRAPE_FLAWS, SCRAPE_SKIPPED, SCRAPE_TARGETS, SCRAPES
from streams.schemas.telemetry import EngineSample
from streams.sources.access import Access
from streams.sources.asking import Asker
from streams.sources.page_reader import Page, SeriesBook
from streams.sources.prometheus_text import names_on
from streams.sources.recognise import said_by
from streams.sources.rhythm import Due, Rhythm, due_after, rhythm_for
from streams.sources.settings import ScrapeSettings
from streams.sources.stalls import Stalls
from streams.sources.target_meter import Lens, Reading, TargetMeter
from streams.sources.targets import Target, shown
from streams.sources.versions import about, loaded

LARGE: Final = 2**20
"""Longer pages are read in a thread: neighbours must not wait for them."""
HEAD: Final = 2**16
"""Of a page of strangers: enough to see whose it is."""
SAY_AGAIN_S: Final = 3_600.0
"""What is wrong with a target is said once, and again after this long."""
LOADED_EVERY_US: Final = 10 * SECOND_US
"""How often an engine with adapters is asked which of them are loaded."""
REST_S: Final = 10.0
"""A target whose pages have no end is left alone for this long."""

log = get_logger(__name__)


@dataclass(slots=True)
class _Watched:
    """A target, and all that is remembered of it."""

    target: Target
    asker: Asker
    meter: TargetMeter
    said_s: dict[str, float] = field(default_factory=dict)
    rests_until_us: int = 0
    asked_us: int = 0


class Scraper:
    """Reads every target until told otherwise; each answer is records, its lack an engine's too.

    accesses: by the names that targets have for theirs, "" for those without one.
    take: gets each record; never waits. Make it inside a running loop.
    A target that is slow, endless or nonsense holds up no other and is reported once.
    """

    def __init__(
        self,
        settings: ScrapeSettings,
        accesses: Mapping[str, Access],
        take: Callable[[Reading], object],
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._take = take
        self._clock = clock
        self._askers = {
            name: Asker(access, timeout_s=settings.timeout_s) for name, access in accesses.items()
        }
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
        for asker in self._askers.values():
            await asker.close()

    async def read(self, target: Target, at_us: int) -> list[Reading]:
        """One reading of a target that is not watched; empty too if we stood still meanwhile."""
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
            for record in await self._look(watched, due):
                self._take(record)
                if isinstance(record, EngineSample):
                    await self._ask(watched, record)

    async def _ask(self, watched: _Watched, sample: EngineSample) -> None:
        """Once, and again when it is back, maybe as another; of adapters now and again."""
        meter, page, asker = watched.meter, watched.target.url, watched.asker
        if not sample.up or sample.restarts:
            meter.about, meter.loaded = None, ""
        elif meter.about is None and sample.engine:
            meter.about = await about(sample.engine, page, asker)
        elif meter.lends and sample.at_us >= watched.asked_us + LOADED_EVERY_US:
            watched.asked_us = sample.at_us
            meter.loaded = await loaded(page, asker)

    def _watched(self, target: Target) -> _Watched:
        return _Watched(target, self._askers[target.access], TargetMeter(target, self._book))

    async def _look(self, watched: _Watched, due: Due) -> list[Reading]:
        lens = watched.meter.lens(full=due.full)
        if lens is None:
            return []
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            answer = await watched.asker.page(watched.target.url)
        except SourceUnavailableError as exc:
            if exc.trouble == "timeout" and self._stalls.since(began_s):
                SCRAPES.labels("held_up").inc()
                return []
            SCRAPES.labels(exc.trouble).inc()
            self._say(watched, exc.trouble, exc.cause)
            return watched.meter.silent(due.at_us, loop.time() - began_s)
        page = await _read(lens, answer.body)
        SCRAPES.labels("read" if lens.knows else "no_engine").inc()
        if answer.cut:
            watched.rests_until_us = due.at_us + round(REST_S * SECOND_US)
        self._check(watched, page, cut=answer.cut)
        if not lens.knows:
            SCRAPE_FLAWS.labels("no_engine").inc()
            self._say(watched, "no_engine", f"a page of {_speaker(answer.body)}")
        return watched.meter.records(lens, page, due.at_us, answer.took_s)

    def _check(self, watched: _Watched, page: Page, *, cut: bool) -> None:
        flaws = {
            "broken": page.broken,
            "repeated": page.repeated,
            "timestamped": page.timestamped,
            "cut": int(cut or page.cut),
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
            url=shown(target.url),
            trouble=trouble,
            detail=detail,
        )


def accesses(settings: ScrapeSettings) -> dict[str, Access]:
    """What a ``Scraper`` needs. Reads files, so outside of a loop; raises InvalidParameterError."""
    hint = "its line needs access=NAME, with a token, a password or a certificate in scrape.access"
    named = {
        one.name: Access(one, section=f"scrape.access {one.name}", hint=hint)
        for one in settings.access
    }
    return {"": Access(hint=hint), **named}


async def _read(lens: Lens, text: bytes) -> Page:
    if len(text) < LARGE:
        return lens.read(text)
    return await asyncio.to_thread(lens.read, text)


def _speaker(page: bytes) -> str:
    return said_by(names_on(page[:HEAD])) or "nobody we know"
