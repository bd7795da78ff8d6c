"""Windows in, incidents out: the detectors and RESPOND as they run, without broker and encoding."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from detectors.chosen import chosen
from detectors.grace import Grace
from detectors.incidents.lifecycle import LifecycleRules
from detectors.incidents.respond import Respond
from detectors.laboratory.cluster import CLUSTER, Cluster
from detectors.laboratory.readings import KINDS, SECOND_US, Columns, Readings
from detectors.panel import Panel
from detectors.settings import DetectionSettings
from streams.schemas.anomalies import Anomaly, SeriesKind
from streams.schemas.base import Record
from streams.schemas.incidents import Incident
from streams.schemas.scaling import PoolStatus
from streams.schemas.telemetry import Change
from streams.settings import WindowSettings
from streams.stage import Arrival, Out, Tick
from streams.windows.table import Table

START_US: Final = 1_767_268_800 * SECOND_US


@dataclass(slots=True)
class Told:
    """The newest record of each anomaly and incident, and when it was told of."""

    anomalies: dict[str, Anomaly] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    opened_s: dict[str, float] = field(default_factory=dict)
    """By id of an incident: second of the run in which its reader could first know of it."""
    paged_s: dict[str, float] = field(default_factory=dict)
    """The same for when it was first more than for information."""


class Chain:
    """What WATCH thinks over final windows, and RESPOND over its anomalies; one shard.

    Copy it (``copy.deepcopy``) to go on in two ways from the same past.
    """

    def __init__(
        self,
        cluster: Cluster,
        settings: DetectionSettings | None = None,
        windows: WindowSettings | None = None,
    ) -> None:
        settings, windows = settings or DetectionSettings(), windows or WindowSettings()
        judged = settings.model_copy(update={"detectors": chosen(settings)})
        self._step_s: dict[SeriesKind, int] = {
            kind: windows.gpu_interval_s if kind == "gpu" else windows.interval_s for kind in KINDS
        }
        self._lateness_s = windows.lateness_s
        self._panels = {
            kind: Panel(kind, judged, interval_us=step_s * SECOND_US)
            for kind, step_s in self._step_s.items()
        }
        self._grace = Grace(grace_us=round(settings.grace_after_change_s * SECOND_US))
        rules = LifecycleRules(resolves_after_s=settings.incident_resolves_after_s)
        self._respond = Respond(rules, cluster=CLUSTER)
        self._news: list[Record] = list(_statuses(cluster))
        self._now_s = 0
        self.told = Told()

    def take(self, readings: Readings, changes: Iterable[tuple[int, Change]]) -> Iterator[int]:
        """A run that goes on where the one before ended; yields the second after each of it."""
        columns = {kind: Columns(readings, kind, step_s) for kind, step_s in self._step_s.items()}
        by_second = defaultdict(list)
        for at, change in changes:
            by_second[at].append(change.but(at_us=START_US + (self._now_s + at) * SECOND_US))
        for second in range(1, readings.seconds + 1):
            self._now_s += 1
            closed = {
                kind: columns[kind].table(second // step_s - 1, self._begin_us(kind))
                for kind, step_s in self._step_s.items()
                if second % step_s == 0
            }
            self._step(closed, by_second[second - 1])
            yield second

    def _begin_us(self, kind: SeriesKind) -> int:
        """Of the window that ends now."""
        return START_US + (self._now_s - self._step_s[kind]) * SECOND_US

    def _step(self, closed: dict[SeriesKind, Table | None], made: Sequence[Change]) -> None:
        now_us = START_US + self._now_s * SECOND_US
        for change in made:
            self._grace.wait(change, now_us - SECOND_US)
        self._grace.advance(now_us)
        anomalies = [
            anomaly
            for kind, table in closed.items()
            for anomaly in self._panels[kind].step(table, self._begin_us(kind), self._grace)
        ]
        self.told.anomalies |= {one.id: one for one in anomalies}
        news: list[Record | Table] = [
            *self._news,
            *made,
            *anomalies,
            *(t for t in closed.values() if t is not None),
        ]
        self._news = []
        self._hear(self._respond.step(Tick(now_us=now_us, arrivals=_arrivals(news, now_us))).out)

    def _hear(self, out: Iterable[Out]) -> None:
        known_s = self._now_s + self._lateness_s
        for one in out:
            if isinstance(one.value, Incident):
                self.told.incidents[one.key] = one.value
                self.told.opened_s.setdefault(one.key, known_s)
                if one.value.severity != "info":
                    self.told.paged_s.setdefault(one.key, known_s)


def _arrivals(news: Iterable[Record | Table], now_us: int) -> list[Arrival]:
    numbers = count()
    return [
        Arrival(at_us=now_us, id=f"{next(numbers):06}", topic=_topic(one), record=one)
        for one in news
    ]


def _topic(news: Record | Table) -> str:
    match news:
        case Table():
            return "windows"
        case Anomaly():
            return "anomalies"
        case Change():
            return "changes"
        case _:
            return "pools"


def _statuses(cluster: Cluster) -> Iterator[PoolStatus]:
    for service, replicas in zip(cluster.services, cluster.replicas, strict=True):
        yield PoolStatus(
            cluster=CLUSTER,
            pool=service.name,
            service=service.name,
            model=service.name,
            at_us=START_US,
            driver="laboratory",
            desired=replicas,
            ready=replicas,
            min_replicas=replicas,
            max_replicas=replicas,
            slo_queue_s=service.slo_queue_s,
        )
