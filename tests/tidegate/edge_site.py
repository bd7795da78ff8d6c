"""A site with two engines, one of which becomes slow, and the centre as a list."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from detectors.defaults import DEFAULTS
from detectors.settings import DetectionSettings
from streams.clock import SECOND_US
from streams.schemas.telemetry import EngineSample
from streams.settings import StreamSettings, TopicSettings
from streams.stage import Out
from tidegate.edge.memory import Memory
from tidegate.edge.settings import EdgeSettings
from tidegate.edge.site import Sender, settings_of
from tidegate.edge.spool import Spool
from tidegate.settings import Settings

BEGAN_US: Final = 1_800_000_000 * SECOND_US
SITE: Final = "paris-2"
SILENT: Final = range(10, 16)
RULES: Final = tuple(one for one in DEFAULTS if one.kind == "limit" and "up_mean" in one.values)
Fate = Literal["arrives", "lost", "unheard"]
"""Of a transaction; `unheard`: it arrived, and nobody told us so."""


def site_settings(*, snapshot_s: float = 60.0, spool_bytes: int = 10**9) -> Settings:
    edge = EdgeSettings(site=SITE, snapshot_s=snapshot_s, spool_bytes=spool_bytes)
    stream = StreamSettings(topics=TopicSettings(shards=4, raw_partitions=1))
    detection = DetectionSettings(detectors=RULES, incident_resolves_after_s=5)
    return Settings(stream=stream, detection=detection, edge=edge)


def opened(path: Path, settings: Settings) -> tuple[Spool, Memory]:
    """As after a start of the process, whatever became of the one before."""
    spool = Spool(path, max_bytes=settings.edge.spool_bytes, born=1_000)
    return spool, Memory(settings_of(settings), spool, Sender(site=SITE, shard=3))


def readings(second: int) -> list[Out]:
    """What is read at a second; in those of ``SILENT`` the second engine does not answer."""
    at_us = BEGAN_US + second * SECOND_US + 100_000
    return [Out(topic="engine", key=SITE, value=one) for one in _samples(second, at_us)]


def clock_us(second: int) -> int:
    return BEGAN_US + second * SECOND_US + 200_000


def _samples(second: int, at_us: int) -> Iterator[EngineSample]:
    for number in range(2):
        yield EngineSample(
            at_us=at_us,
            cluster=SITE,
            pool="chat",
            replica=f"chat-{number}",
            up=0.0 if number == 1 and second in SILENT else 1.0,
            running=4.0 + second % 3,
            output_tokens=300 + second % 7,
        )


class LineDownError(Exception):
    """What a line that is down raises."""


@dataclass(slots=True)
class ListCentre:
    """Everything that has arrived, and the position behind it: they change together."""

    arrived: list[Out] = field(default_factory=list)
    position: int | None = None
    fates: list[Fate] = field(default_factory=list)
    """Of the next transactions; all further ones arrive."""

    async def open(self) -> int | None:
        return self.position

    async def commit(self, out: Sequence[Out], position: int) -> None:
        fate = self.fates.pop(0) if self.fates else "arrives"
        if fate != "lost":
            self.arrived += out
            self.position = position
        if fate != "arrives":
            raise LineDownError

    async def close(self) -> None: ...
