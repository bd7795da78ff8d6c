"""The edge role: reads what is at the site, thinks, keeps, and sends when the line is up."""

import asyncio
import signal
import socket
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

from streams.batch import Message
from streams.clock import Clock, system_clock
from streams.codec import encode_record
from streams.errors import InvalidParameterError
from streams.log import get_logger
from streams.schemas.scaling import ReplicaStatus
from streams.series import shard_of
from streams.sources import SOURCES
from streams.sources.agent import Agent, Replicas
from streams.stage import Out
from streams.together import until_one_ends
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
"""Records between two steps; more are dropped, as they would be by a slow broker."""


class Read:
    """What was read since the last step."""

    def __init__(self) -> None:
        self._records: list[Out] = []

    def offer(self, *out: Out) -> bool:
        if len(self._records) + len(out) > MAX_UNREAD:
            return False
        self._records.extend(out)
        return True

    def taken(self) -> list[Out]:
        records, self._records = self._records, []
        return records


async def think(read: Read, memory: Memory, line: Line, clock: Clock) -> None:
    """A step a second, until cancelled."""
    while True:
        await asyncio.sleep(STEP_S)
        if await asyncio.to_thread(memory.step, read.taken(), clock()):
            line.more.set()


def run(settings: Settings) -> int:
    """The exit code; a TidegateError is told by whoever called."""
    asyncio.run(run_edge(settings))
    return 0


async def run_edge(settings: Settings, clock: Clock = system_clock) -> None:
    """Until SIGTERM or SIGINT."""
    if not settings.edge.site:
        raise InvalidParameterError("edge.site", "", "the name of this site, such as paris-2")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    edge = settings.edge
    replicas = Replicas()
    replicas.feed(statuses(edge.engines, edge.site, clock()))
    sources = [make(edge.site, socket.gethostname()) for make in SOURCES.values()]
    shard = shard_of(edge.site, settings.stream.topics.shards)
    spool = Spool(_path(edge), max_bytes=edge.spool_bytes, born=clock())
    with closing(spool):
        memory = await asyncio.to_thread(
            Memory, settings_of(settings), spool, Sender(site=edge.site, shard=shard)
        )
        line = Line(partial(Centre, settings.stream, edge.site, shard), spool)
        read = Read()
        try:
            await until_one_ends(
                Agent(replicas, sources, read.offer).run(clock),
                think(read, memory, line, clock),
                line.run(),
                stop.wait(),
            )
        finally:
            for source in sources:
                await source.close()


def statuses(engines: Sequence[str], site: str, now_us: int) -> list[Message]:
    """Records of `pools` for engines named in the settings. Raises InvalidParameterError."""
    return [
        Message("pools", 0, 0, now_us, key.encode(), encode_record(status))
        for status in (_status(line, site, now_us) for line in engines)
        for key in (f"{status.cluster}/{status.pool}/{status.replica}",)
    ]


def _status(line: str, site: str, now_us: int) -> ReplicaStatus:
    name, _, address = line.partition("=")
    pool, _, replica = name.partition("/")
    if not (
        pool and replica and "/" not in replica and address.startswith(("http://", "https://"))
    ):
        raise InvalidParameterError("edge.engines", line, "POOL/REPLICA=http://HOST:PORT")
    return ReplicaStatus(
        cluster=site,
        pool=pool,
        replica=replica,
        state="ready",
        since_us=now_us,
        at_us=now_us,
        address=address.rstrip("/"),
    )


def _path(edge: EdgeSettings) -> Path:
    return Path(edge.spool) if edge.spool else state_dir() / f"edge-{edge.site}.sqlite"
