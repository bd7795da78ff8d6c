"""``tidegate agent``: pages of engines and GPUs, processes of replicas, GPUs here, as records."""

import asyncio
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from streams.batch import Message
from streams.clock import SECOND_US, Clock, system_clock
from streams.codec import decode_record
from streams.errors import CorruptMessageError, InvalidParameterError, TidegateError
from streams.log import get_logger
from streams.metrics import serve_metrics
from streams.publisher import Publisher
from streams.reader import TopicReader
from streams.schemas.scaling import ReplicaStatus
from streams.schemas.telemetry import Change
from streams.settings import StreamSettings
from streams.sources import SOURCES
from streams.sources.aim import Aim
from streams.sources.base import Source, as_out
from streams.sources.discovery import discovery
from streams.sources.golden import GoldenSource
from streams.sources.kubernetes.changes import KubernetesChanges
from streams.sources.loads import EngineLoads
from streams.sources.scrape import Scraper, accesses
from streams.sources.settings import ScrapeSettings
from streams.sources.target_meter import Reading
from streams.sources.targets import target_of
from streams.together import stop_on_signals, until_one_ends

SERVING: Final = frozenset({"ready", "draining"})
OFFSET_US: Final = 100_000
"""Readings are due this long after a full second, so that each window gets exactly one."""
MAX_REPLICAS: Final = 10_000

log = get_logger(__name__)


class Replicas:
    """The replicas of `pools` that are to be read; newest record of a replica wins."""

    def __init__(self) -> None:
        self._known: dict[str, ReplicaStatus] = {}

    def feed(self, messages: Iterable[Message]) -> None:
        """Take in records of `pools`; what cannot be read, and pools themselves, are skipped."""
        for message in messages:
            key = (message.key or b"").decode("utf-8", "replace")
            if key.count("/") == 2:
                self._take(key, message.value)

    def serving(self) -> list[ReplicaStatus]:
        """Ready or draining, with an address; what starts has nothing to say yet."""
        return list(self._known.values())

    def _take(self, key: str, value: bytes | None) -> None:
        self._known.pop(key, None)
        if not value or len(self._known) >= MAX_REPLICAS:
            return
        try:
            status = decode_record(value, ReplicaStatus)
        except CorruptMessageError as exc:
            log.warning("pool_record_unreadable", key=key, error=str(exc))
            return
        if status.state in SERVING and (status.address or status.metrics_address):
            self._known[key] = status


class Agent:
    """Asks every source for its records and offers them to the stream.

    offer: never waits; False when there is no room, then the second is lost and counted there.
    """

    def __init__(
        self, replicas: Replicas, sources: Sequence[Source], offer: Callable[..., bool]
    ) -> None:
        self._replicas = replicas
        self._sources = sources
        self._offer = offer

    async def read_once(self, now_us: int) -> int:
        """One reading of everything, stamped ``now_us``; returns the number of records."""
        serving = self._replicas.serving()
        found = await asyncio.gather(*(source.read(serving, now_us) for source in self._sources))
        out = [as_out(record) for records in found for record in records]
        if out and not self._offer(*out):
            log.warning("telemetry_dropped", records=len(out))
        return len(out)

    async def run(self, clock: Clock) -> None:
        """Read once a second until cancelled; a reading that takes longer skips seconds."""
        while True:
            await asyncio.sleep(until_next(clock()) / SECOND_US)
            await self.read_once(clock())


def until_next(now_us: int) -> int:
    """Microseconds until the next reading is due.

    >>> until_next(7_000_000), until_next(7_100_000), until_next(7_300_000)
    (100000, 1000000, 800000)
    """
    return SECOND_US - (now_us - OFFSET_US) % SECOND_US


def run_agent(
    stream: StreamSettings,
    cluster: str,
    *,
    scrape: ScrapeSettings | None = None,
    node: str = "",
    clock: Clock = system_clock,
) -> int:
    """Run until SIGTERM or SIGINT; 0 then, 1 with one sentence if there is no broker."""
    scrape = scrape or ScrapeSettings()
    try:
        if scrape.metrics_port:
            serve_metrics(scrape.metrics_port)
        sources = sources_here(cluster, node or socket.gethostname())
        asyncio.run(_run(stream, scrape, cluster, sources, clock))
    except TidegateError as exc:
        sys.stderr.write(f"tidegate agent: {exc}\n")
        return 1
    return 0


async def _run(
    stream: StreamSettings,
    scrape: ScrapeSettings,
    cluster: str,
    found: Iterable[Source],
    clock: Clock,
) -> None:
    shown = await asyncio.to_thread(accesses, scrape)
    discoveries = [discovery(line, cluster, scrape) for line in scrape.targets]
    stop = stop_on_signals()
    sources = list(found)
    if scrape.golden.prompts:
        sources.append(GoldenSource(scrape.golden, shown[scrape.pools_access]))
    replicas = Replicas()
    try:
        async with TopicReader(stream, ["pools"]) as reader, Publisher(stream) as publisher:
            agent = Agent(replicas, sources, publisher.offer)

            loads = EngineLoads()

            def told(*changes: Change) -> None:
                publisher.offer(*map(as_out, changes))

            def scraped(reading: Reading) -> None:
                publisher.offer(*map(as_out, loads.with_changes(reading)))

            scraper = Scraper(scrape, shown, scraped, clock)
            aim = Aim(discoveries, scraper.aim)
            changes = KubernetesChanges(scrape, cluster, told, clock)
            await until_one_ends(
                _follow(reader, replicas, aim, scrape.pools_access),
                agent.run(clock),
                scraper.run(),
                aim.run(),
                changes.run(),
                stop.wait(),
            )
    finally:
        for source in sources:
            await source.close()


def sources_here(cluster: str, node: str) -> Iterator[Source]:
    """Those whose libraries are here; a line says what the others need."""
    for name, make in SOURCES.items():
        try:
            yield make(cluster, node)
        except InvalidParameterError as exc:
            log.info("source_left_out", source=name, cause=str(exc))


async def _follow(reader: TopicReader, replicas: Replicas, aim: Aim, access: str) -> None:
    async for messages in reader.batches():
        replicas.feed(messages)
        aim.own([target_of(replica, access) for replica in replicas.serving()])
