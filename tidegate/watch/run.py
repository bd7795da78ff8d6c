"""`tidegate watch URL…`: look, say what was understood, judge, and go on watching."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autoscaler.api.view import View
from streams.batch import Message
from streams.clock import SECOND_US, Clock
from streams.codec import encode_record
from streams.errors import SourceUnavailableError
from streams.schemas.scaling import PoolStatus, ReplicaStatus
from streams.together import stop_on_signals
from tidegate.runfiles import state_dir
from tidegate.settings import Settings
from tidegate.watch.feed import Feed
from tidegate.watch.live import Live, Store, settings_for
from tidegate.watch.look import asker_for, look
from tidegate.watch.tell import Teller
from tidegate.watch.understood import statuses
from tidegate.watch.verdict import EXIT, Known, Verdict, judge

POOLS_EVERY_US: Final = 10 * SECOND_US
FRESH_WINDOWS: Final = 4
"""So many windows back a sample still speaks of now."""
HISTORY_TOLD_US: Final = 3_600 * SECOND_US


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for on the command line.

    for_s: watch so long after the first verdict; None: until told to stop.
    """

    urls: Sequence[str]
    for_s: float | None = None
    page: bool = True
    port: int = 0


async def watch(options: Options, settings: Settings, teller: Teller, clock: Clock) -> int:
    """The exit code: 0 healthy, 3 something is wrong, 1 could not look."""
    stop = stop_on_signals()
    async with AsyncExitStack() as stack:
        asker = await stack.enter_async_context(await asker_for(settings.watch))
        feed, failed = await look(options.urls, asker, settings, clock())
        teller.understood(feed.sentences(), failed)
        session = Session(feed, failed, settings, teller, clock)
        stack.callback(session.close)
        if options.page:
            from tidegate.watch.page import serving  # noqa: PLC0415  takes a second to load

            page = serving(session.view, session.clock, options.port)
            teller.page(await stack.enter_async_context(page))
        return await session.run(stop, options.for_s)


class Session:
    """One feed through the chain, into a view, a store and words."""

    def __init__(
        self,
        feed: Feed,
        unseen: Sequence[str],
        settings: Settings,
        teller: Teller,
        clock: Clock,
    ) -> None:
        own = settings_for(settings, feed)
        self.view = View(shards=1, stages=("ingest", "watch"))
        self._feed = feed
        self._unseen = unseen
        self._live = Live(own)
        self._store = Store(_store_path(settings.watch.store), own)
        self._teller = teller
        self._clock = clock
        self._cluster = settings.cluster
        self._gpu_s = own.stream.windows.gpu_interval_s
        # Nothing can be said of GPUs before one of their windows has closed.
        closed_s = self._gpu_s + feed.lateness_s + feed.interval_s
        gpus = any(one.found.gpus for one in feed.watched)
        wait_s = max(settings.watch.first_verdict_s, closed_s if gpus else 0)
        self._wait_us = round(wait_s * SECOND_US)
        self._began_us = clock()
        self._pools_us = 0

    def clock(self) -> int:
        """Of what is looked at: as far behind as its newest samples usually are."""
        return self._clock() - self._feed.behind_us

    def close(self) -> None:
        self._store.close()

    async def run(self, stop: asyncio.Event, for_s: float | None) -> int:
        """Until ``stop``, or so long after the first verdict; the exit code."""
        past_us = await self._past(stop)
        self._wait_us = max(0, self._wait_us - past_us)
        verdict: Verdict | None = None
        until_us = 2**62
        while not stop.is_set() and (now_us := self._clock()) <= until_us:
            read = await self._second(now_us)
            if verdict is not None:
                verdict = self._go_on(verdict)
            elif read and now_us - self._began_us >= self._wait_us:
                verdict = self._judged()
                self._teller.verdict(verdict, (self._clock() - self._began_us) / SECOND_US)
                if for_s is not None:
                    until_us = self._clock() + round(for_s * SECOND_US)
            if self._clock() <= until_us:
                await _until_next_second(stop, self._clock())
        return EXIT[(verdict or self._judged()).state]

    async def _past(self, stop: asyncio.Event) -> int:
        """How long it was, in microseconds."""
        async for records in self._feed.past(self._began_us):
            if stop.is_set():
                break
            self._live.take(records)
            self._spread(await asyncio.to_thread(self._live.through))
        return self._live.known_us

    async def _second(self, now_us: int) -> bool:
        """Whether what is looked at could be read; while not, its clock stands still."""
        try:
            records = await self._feed.read(now_us)
        except SourceUnavailableError as exc:
            self._teller.trouble(str(exc))
            return False
        self._teller.trouble("")
        self._live.take(records)
        self._spread(self._live.until(now_us - self._feed.behind_us + 1))
        return True

    def _spread(self, written: Sequence[Message]) -> None:
        now_us = self.clock()
        if now_us - self._pools_us >= POOLS_EVERY_US:
            self._pools_us = now_us
            rows = statuses(self._feed.watched, now_us, self._cluster)
            self.view.feed(_messages(rows, now_us))
        self.view.feed(written)
        self._store.keep(written)

    def _judged(self) -> Verdict:
        recent_s = self._feed.lateness_s + FRESH_WINDOWS * self._feed.interval_s
        fresh_us = self.clock() - round(recent_s * SECOND_US)
        known = Known(
            watched=self._feed.watched,
            unseen=self._unseen,
            fresh_us=fresh_us,
            gpus_fresh_us=fresh_us - 2 * self._gpu_s * SECOND_US,
            told_us=self._began_us - HISTORY_TOLD_US,
        )
        return judge(self.view, known)

    def _go_on(self, before: Verdict) -> Verdict:
        """Another verdict is told where something else is wrong now."""
        verdict = self._judged()
        if verdict.state != before.state or len(verdict.findings) != len(before.findings):
            self._teller.verdict(verdict, (self._clock() - self._began_us) / SECOND_US)
        return verdict


def _messages(rows: Iterable[PoolStatus | ReplicaStatus], now_us: int) -> list[Message]:
    found = []
    for row in rows:
        key = f"{row.cluster}/{row.pool}"
        key += "" if isinstance(row, PoolStatus) else f"/{row.replica}"
        found.append(Message("pools", 0, 0, now_us, key.encode(), encode_record(row)))
    return found


def _store_path(path: str) -> Path:
    if path:
        return Path(path)
    own = state_dir() / "watch.sqlite"
    for file in (own, *(own.with_name(f"{own.name}{end}") for end in ("-wal", "-shm"))):
        file.unlink(missing_ok=True)
    return own


async def _until_next_second(stop: asyncio.Event, now_us: int) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), (SECOND_US - now_us % SECOND_US) / SECOND_US)
