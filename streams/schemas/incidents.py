"""What RESPOND makes of anomalies and changes, and what ALERT sends of it."""

from typing import Final, Literal, get_args

import msgspec

from streams.schemas.base import Record
from streams.schemas.schedules import Schedule

Severity = Literal["info", "warning", "critical"]
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
"""The mildest first."""
SubjectKind = Literal["replica", "client", "pool", "gpu", "node", "sender", "unknown"]


class Subject(Record, frozen=True, kw_only=True):
    """Who is at fault: ``replica codex-2``, ``client birch``, ``pool codex``."""

    kind: SubjectKind
    name: str


class Cause(Record, frozen=True, kw_only=True):
    """One possible explanation with its evidence; ``unknown`` is a valid one."""

    kind: str
    """`replica_frozen`, `replica_lost`, `replica_slow`, `replica_stalled`, `replica_wrong`,
    `replica_differs`, `memory_leak`, `kv_exhausted`, `prefix_cache`, `traffic_surge`,
    `traffic_drop`, `retry_storm`, `client_errors`, `capacity_short`, `gpu_fault`, `crash_loop`,
    `metric_stuck`, `silent_metrics`, `change`, `unknown`; of senders `telemetry_` and the kind of a
    complaint."""
    subject: Subject
    weight: float
    """0 to 1; the causes of an incident are sorted by it."""
    sentence: str
    anomalies: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


class Incident(Record, frozen=True, kw_only=True):
    """Anomalies and changes that belong together; newest record of an id wins."""

    id: str
    """`INC-` and ten hex digits made from the id of the first anomaly (or change)."""
    state: Literal["open", "resolved"]
    severity: Severity
    cluster: str
    service: str = ""
    pool: str
    subject: Subject
    title: str
    started_at_us: int
    """Start of the earliest anomaly."""
    opened_at_us: int
    """The tick at which it was opened."""
    updated_at_us: int
    resolved_at_us: int | None = None
    causes: tuple[Cause, ...]
    anomalies: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    users_hurt: bool = False
    """Requests of well-behaved users fail or wait because of it."""
    trust_hurt: bool = False
    """Demand or capacity figures of the pool cannot be trusted meanwhile."""
    timeline: tuple[tuple[int, str], ...] = ()
    """(at_us, sentence), oldest first, at most 50."""


class Alert(Record, frozen=True, kw_only=True):
    """One notification of one incident to one channel; ``id`` is the idempotency key."""

    id: str
    incident: str
    channel: str
    status: Literal["firing", "resolved"]
    delivery: Literal["pending", "delivered", "failed"]
    at_us: int
    severity: Severity
    title: str
    attempts: int = 0
    error: str = ""
    delivered_at_us: int | None = None
    about: Incident | None = None
    """The incident as it was when it was decided to tell of it: what the receiver gets."""


RuleKind = Literal["silence", "hold", "override", "limits", "ladder", "schedule"]
CommandKind = Literal[
    "override",
    "hold",
    "release",
    "limits",
    "ladder",
    "schedule",
    "unschedule",
    "silence",
    "resolve",
]


class Rule(Record, frozen=True, kw_only=True):
    """Something a person set: a silence, a hold, limits, a schedule. Newest of an id wins."""

    id: str
    kind: RuleKind
    at_us: int
    actor: str
    reason: str = ""
    cluster: str = "local"
    pool: str = ""
    matchers: dict[str, str] = msgspec.field(default_factory=dict)
    replicas: int | None = None
    min_replicas: int | None = None
    max_replicas: int | None = None
    ladder: Literal["shadow", "recommend", "floor", "full"] | None = None
    expires_at_us: int | None = None
    ended: bool = False
    name: str = ""
    """Of a schedule: a pool has one of each name."""
    schedule: Schedule | None = None


class Command(Record, frozen=True, kw_only=True):
    """What a person or program asked of the scaler; carried out once per ``id``."""

    id: str
    at_us: int
    kind: CommandKind
    actor: str
    reason: str = ""
    cluster: str = "local"
    pool: str = ""
    replicas: int | None = None
    min_replicas: int | None = None
    max_replicas: int | None = None
    ladder: Literal["shadow", "recommend", "floor", "full"] | None = None
    matchers: dict[str, str] = msgspec.field(default_factory=dict)
    incident: str = ""
    expires_at_us: int | None = None
    if_match: tuple[str, ...] = ()
    """Versions of the pool's rules on which it rests: carried out only under one of these; empty:
    whatever they are."""
    name: str = ""
    schedule: Schedule | None = None
    fingerprint: str = ""
    """Of the request, where it had an Idempotency-Key: the same key for another one is refused."""


class Feedback(Record, frozen=True, kw_only=True):
    """An operator's word on an anomaly."""

    id: str
    at_us: int
    anomaly: str
    verdict: Literal["right", "wrong", "withdrawn"]
    """Withdrawn: as if nothing had been said of it."""
    actor: str = ""
    fingerprint: str = ""
    """Of the request, where it had an Idempotency-Key: the same key for another one is refused."""


class Audit(Record, frozen=True, kw_only=True):
    """Who asked what of the control API, and what the answer was."""

    id: str
    at_us: int
    actor: str
    action: str
    target: str
    status: int
    detail: str = ""
