"""The edge role: reads what is at the site, thinks, keeps, and sends when the line is up."""

import asyncio
import socket
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

from streams.clock import Clock, system_clock
from streams.errors import InvalidParameterError
from streams.log import get_logger
from streams.metrics import serve_metrics
from streams.schemas.telemetry import Change
from streams.series import shard_of
from streams.sources.agent import Agent, Replicas, sources_here
from streams.sources.aim import Aim
from streams.sources.base import as_out
from streams.sources.discovery import discovery
from streams.sources.kubernetes.changes import KubernetesChanges
from streams.sources.loads import EngineLoads
from streams.sources.scrape import Scraper, accesses
from streams.sources.target_meter import Reading
from streams.stage import Out
from streams.together import stop_on_signals, until_one_ends
from tidegate.edge.centre import Centre
from tidegate.edge.line import Line
from tidegate.edge.memory import Memory
from tidegate.edge.settings import EdgeSettings
from tidegate.edge.site import Sender, settings_of
from tidegate.edge.spool import Spool
from tidegate.runfiles import state_dir
from tidegate.settings import Settings

log = get_logger(__name__)

STEP_S: Final = 1.0
MAX_UNREAD: Final = 10_000
"""Records between two steps; more are dropped, and a line says how many."""


class Read:
    """What was read since the last step."""

    def __init__(self) -> None:
        self._records: list[Out] = []

    def offer(self, *out: Out) -> bool:
        if len(self._records) + len(out) > MAX_UNREAD:
            log.warning("edge_records_dropped", records=len(out))
            return False
        self._records.extend(out)
        return True

    def taken(self) -> list[Out]:
        records, self._records = self._records, []
        return records


def run(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; raises a TidegateError for settings it cannot run by."""
    if not settings.edge.site:
        raise InvalidParameterError("edge.site", "", "the name of this site, such as paris-2")
    if settings.scrape.metrics_port:
        serve_metrics(settings.scrape.metrics_port)
    asyncio.run(_run(settings, system_clock))
    return 0


async def _run(settings: Settings, clock: Clock) -> None:
    edge = settings.edge
    sender = Sender(site=edge.site, shard=shard_of(edge.site, settings.stream.topics.shards))
    spool = Spool(_path(edge), max_bytes=edge.spool_bytes, born=clock())
    with closing(spool):
        memory = await asyncio.to_thread(Memory, settings_of(settings), spool, sender)
        line = Line(partial(Centre, settings.stream, edge.site), spool)
        read = Read()
        await until_one_ends(
            _look(settings, read, clock),
            _think(read, memory, line, clock),
            line.run(),
            stop_on_signals().wait(),
        )


async def _look(settings: Settings, read: Read, clock: Clock) -> None:
    """All that an agent reads, but for replicas that a broker would have to name."""
    site, scrape = settings.edge.site, settings.scrape
    sources = list(sources_here(site, socket.gethostname()))
    shown = await asyncio.to_thread(accesses, scrape)
    loads = EngineLoads()

    def told(*changes: Change) -> None:
        read.offer(*map(as_out, changes))

    def scraped(reading: Reading) -> None:
        read.offer(*map(as_out, loads.with_changes(reading)))

    scraper = Scraper(scrape, shown, scraped, clock)
    changes = KubernetesChanges(scrape, site, told, clock)
    found = [discovery(each, site, scrape) for each in scrape.targets]
    agent, aim = Agent(Replicas(), sources, read.offer), Aim(found, scraper.aim)
    try:
        await until_one_ends(agent.run(clock), scraper.run(), aim.run(), changes.run())
    finally:
        for source in sources:
            await source.close()


async def _think(read: Read, memory: Memory, line: Line, clock: Clock) -> None:
    """A step a second, until cancelled."""
    while True:
        await asyncio.sleep(STEP_S)
        if await asyncio.to_thread(memory.step, read.taken(), clock()):
            line.more.set()


def _path(edge: EdgeSettings) -> Path:
    return Path(edge.spool) if edge.spool else state_dir() / f"edge-{edge.site}.sqlite"
