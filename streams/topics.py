"""Every topic: its name, what it carries, how many partitions, what the broker keeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from streams.schemas.anomalies import Anomaly
from streams.schemas.comparison import Comparison
from streams.schemas.incidents import Alert, Audit, Command, Feedback, Incident, Rule
from streams.schemas.scaling import Decision, Drain, PoolStatus, ReplicaStatus
from streams.schemas.system import Balance, Charge, DeadLetter, Quality, Usage
from streams.schemas.telemetry import Change, EngineSample, GpuSample, RequestEvent

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One row of the table in docs/architecture.md.

    ``partitions``: a number, ``"shards"`` (S, fixed per deployment) or ``"raw"`` (any number, may
    grow). ``record``: the JSON record of one message, ``None`` where messages are blocks.
    """

    name: str
    what: str
    partitions: Literal["raw", "shards"] | int
    cleanup: Literal["delete", "compact", "compact,delete"] = "delete"
    record: type[msgspec.Struct] | None = None
    retention_ms: int = DAY_MS
    append_time: bool = False
    """The broker stamps records (LogAppendTime): by that is decided what is late, or too late for a
    tick."""


_TABLE: Final = (
    Topic(
        name="requests",
        what="request events and pool gauges",
        partitions="raw",
        record=RequestEvent,
        append_time=True,
    ),
    Topic(name="gpu", what="GPU samples", partitions="raw", record=GpuSample, append_time=True),
    Topic(
        name="engine",
        what="replica samples",
        partitions="raw",
        record=EngineSample,
        append_time=True,
    ),
    Topic(
        name="changes",
        what="what somebody did to the system",
        partitions="raw",
        record=Change,
        append_time=True,
    ),
    Topic(name="partials", what="delta and control blocks", partitions="shards", append_time=True),
    Topic(name="windows", what="closed windows as blocks, and heartbeats", partitions="shards"),
    Topic(name="anomalies", what="anomalies as blocks, and heartbeats", partitions="shards"),
    Topic(
        name="incidents", what="incidents", partitions=1, cleanup="compact,delete", record=Incident
    ),
    Topic(
        name="decisions",
        what="decisions of the planner",
        partitions=1,
        record=Decision,
    ),
    Topic(
        name="comparisons",
        what="what the planner would have changed, by pool and day",
        partitions=1,
        cleanup="compact,delete",
        record=Comparison,
        retention_ms=400 * DAY_MS,
    ),
    Topic(
        name="alerts",
        what="notifications and their delivery",
        partitions=1,
        cleanup="compact,delete",
        record=Alert,
    ),
    Topic(
        name="pools",
        what="pools and replicas as their drivers see them",
        partitions=1,
        cleanup="compact,delete",
        append_time=True,
    ),
    Topic(
        name="rules",
        what="silences, holds, overrides, limits",
        partitions=1,
        cleanup="compact,delete",
        record=Rule,
    ),
    Topic(
        name="commands",
        what="what people asked for",
        partitions=1,
        record=Command,
        append_time=True,
    ),
    Topic(name="drains", what="drain acknowledged", partitions=1, record=Drain),
    Topic(name="feedback", what="anomalies marked right or wrong", partitions=1, record=Feedback),
    Topic(name="audit", what="calls of the control API", partitions=1, record=Audit),
    Topic(
        name="usage",
        what="what was used",
        partitions="raw",
        record=Usage,
        retention_ms=400 * DAY_MS,
    ),
    Topic(
        name="charges",
        what="what is to be charged",
        partitions="raw",
        record=Charge,
        retention_ms=400 * DAY_MS,
    ),
    Topic(
        name="balances",
        what="what changed on an account",
        partitions="raw",
        record=Balance,
        retention_ms=400 * DAY_MS,
    ),
    Topic(name="dead-letters", what="records set aside", partitions=1, record=DeadLetter),
    Topic(name="quality", what="how well each source behaves", partitions=1, record=Quality),
    Topic(
        name="snapshots.watch",
        what="state of WATCH: chunks and manifests",
        partitions="shards",
        cleanup="compact,delete",
    ),
    Topic(
        name="state.ingest",
        what="last frame sequence per producer",
        partitions="raw",
        cleanup="compact",
    ),
    Topic(name="state.respond", what="state of RESPOND", partitions=1, cleanup="compact"),
    Topic(name="state.plan", what="state of PLAN", partitions=1, cleanup="compact"),
    Topic(name="state.alert", what="state of ALERT", partitions=1, cleanup="compact"),
)

TOPICS: Final[Mapping[str, Topic]] = {topic.name: topic for topic in _TABLE}


def is_foreign(topic: str) -> bool:
    """Whether a topic is somebody else's: its name begins with a slash in place of our prefix.

    No name at a broker has a slash.
    """
    return topic.startswith("/")


POOL_RECORDS: Final = (PoolStatus, ReplicaStatus)
"""`pools` carries two kinds, told apart by the number of slashes in the key."""

ANOMALY_RECORD: Final = Anomaly
