"""What RESPOND knows of one pool at one moment, and what kind of thing each anomaly speaks of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from detectors.incidents.facts import PoolFacts
from streams.clock import SECOND_US
from streams.schemas.anomalies import Anomaly
from streams.schemas.scaling import PoolStatus, ReplicaStatus
from streams.schemas.telemetry import Change


class Family(StrEnum):
    """Anomalies of different families are independent witnesses, of the same one are not."""

    AVAILABILITY = "availability"
    STALLS = "stalls"
    ERRORS = "errors"
    REFUSALS = "refusals"
    DEMAND = "demand"
    BACKLOG = "backlog"
    LATENCY = "latency"
    WORK = "work"
    HARDWARE = "hardware"
    ANSWERS = "answers"
    TELEMETRY = "telemetry"


_FAMILIES: Final[Mapping[str, Family]] = {
    "up": Family.AVAILABILITY,
    "stalled_s": Family.STALLS,
    "failed": Family.ERRORS,
    "error_ratio": Family.ERRORS,
    "restarts": Family.ERRORS,
    "rejected": Family.REFUSALS,
    "arrived": Family.DEMAND,
    "prompt_tokens": Family.DEMAND,
    "queued": Family.BACKLOG,
    "queue_s": Family.BACKLOG,
    "waiting": Family.BACKLOG,
    "in_flight": Family.BACKLOG,
    "running": Family.BACKLOG,
    "ttft_s": Family.LATENCY,
    "inter_token_s": Family.LATENCY,
    "duration_s": Family.LATENCY,
    "scrape_s": Family.LATENCY,
    "golden_ratio": Family.ANSWERS,
    "corrupted": Family.ANSWERS,
    "repeated": Family.ANSWERS,
    "repeated_ratio": Family.ANSWERS,
    "empty": Family.ANSWERS,
    "empty_ratio": Family.ANSWERS,
    "truncated": Family.ANSWERS,
    "answer_tokens": Family.ANSWERS,
    "tokens_per_answer": Family.ANSWERS,
}
"""By the feature a value is derived from; what is not named here is WORK."""

_OF_TELEMETRY: Final = frozenset({"flat_line", "silence"})
"""Banks that judge what is told, and not what is so."""
_FIXED_MEANING: Final = frozenset(
    {
        Family.AVAILABILITY,
        Family.ERRORS,
        Family.REFUSALS,
        Family.HARDWARE,
        Family.ANSWERS,
        Family.TELEMETRY,
    }
)
_FIXED_DETECTORS: Final = frozenset(
    {"apart", "burn_rate", "limit", "resets", "rise", "together", *_OF_TELEMETRY}
)
"""Banks whose boundaries are known facts rather than learned habits."""


CLEAR_SCORE: Final = 1.5
"""A learned anomaly whose peak stays below this may be noise."""


def feature_of(anomaly: Anomaly) -> str:
    """The feature behind a value's name.

    >>> from streams.schemas.anomalies import Anomaly
    >>> feature_of(Anomaly(id="a", kind="engine", series_id="0", labels={}, unit="s", score=1.0,
    ...     feature="engine.inter_token_s_mean", started_at_us=0, at_us=0, peak_score=1.0,
    ...     actual=1.0, expected=0.1, direction="above", detector="ewma"))
    'inter_token_s'
    """
    name = anomaly.value_name
    for suffix in ("_per_s", "_mean", "_min", "_max", "_p50", "_p95", "_p99"):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def family_of(anomaly: Anomaly) -> Family:
    if anomaly.detector in _OF_TELEMETRY:
        return Family.TELEMETRY
    if anomaly.kind == "gpu":
        return Family.HARDWARE
    return _FAMILIES.get(feature_of(anomaly), Family.WORK)


def is_fixed(anomaly: Anomaly) -> bool:
    """Whether the anomaly means a fault by itself: nothing had to be learned to know it."""
    return anomaly.detector in _FIXED_DETECTORS and family_of(anomaly) in _FIXED_MEANING


def lasted_s(anomaly: Anomaly) -> float:
    """Seconds of windows it covers so far; load windows are one second long."""
    return (anomaly.at_us - anomaly.started_at_us) / SECOND_US + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One pool at ``now_us``; pool ``""`` holds what belongs to none.

    anomalies: open, or ended a moment ago. changes: of the last two minutes. frozen: replicas
    that an open incident calls frozen; that somebody kills and replaces them is no new cause.
    """

    cluster: str
    pool: str
    now_us: int
    anomalies: tuple[Anomaly, ...] = ()
    changes: tuple[Change, ...] = ()
    replicas: Mapping[str, ReplicaStatus] = field(default_factory=dict)
    status: PoolStatus | None = None
    facts: PoolFacts = field(default_factory=PoolFacts)
    frozen: frozenset[str] = frozenset()

    @property
    def service(self) -> str:
        return self.status.service if self.status else ""

    def of(self, *families: Family, direction: str = "") -> list[Anomaly]:
        """Its anomalies of these families, and only in one direction when given."""
        return [
            anomaly
            for anomaly in self.anomalies
            if family_of(anomaly) in families and direction in ("", anomaly.direction)
        ]
