"""One incident while it is worked on: what it is called, how bad it is, when it is over."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from detectors.incidents.correlate import VAGUE_KINDS, Explanation
from detectors.incidents.scene import Scene
from streams.clock import SECOND_US
from streams.schemas.anomalies import Anomaly
from streams.schemas.base import Record
from streams.schemas.incidents import Cause, Incident, Severity
from streams.schemas.telemetry import Change

MAX_EVIDENCE: Final = 200
"""Anomalies, and changes, that one incident lists; later ones still keep it open."""
MAX_TIMELINE: Final = 50
REPLACED_WITHIN_US: Final = 60 * SECOND_US
"""Without word from the driver a lost replica counts as missed for this long."""
HELD_AT_MOST_US: Final = 600 * SECOND_US

Moment = tuple[int, str]


class Case(Record, frozen=True, kw_only=True):
    """An incident with what only RESPOND needs to know; closed ones stay a while so that what
    belonged to them opens nothing new.
    """

    incident: Incident
    active_at_us: int
    """When something of it was last seen wrong."""

    @property
    def is_open(self) -> bool:
        return self.incident.state == "open"

    @property
    def kind(self) -> str:
        return self.incident.causes[0].kind


def incident_id(seed: str) -> str:
    return "INC-" + blake2b(seed.encode(), digest_size=5).hexdigest()


def opened(scene: Scene, explanation: Explanation) -> Case:
    """The case of an explanation that no open incident covers."""
    changes = [c for c in scene.changes if c.id in explanation.cause.changes]
    starts = [a.started_at_us for a in explanation.anomalies] + [c.at_us for c in changes]
    # A change's id may come again with the replica's name, so its time belongs to the seed.
    seeds = [a.id for a in explanation.anomalies] + [f"{c.id}@{c.at_us}" for c in changes]
    incident = Incident(
        id=incident_id(seeds[0]),
        state="open",
        severity="info",
        cluster=scene.cluster,
        service=scene.service,
        pool=scene.pool,
        subject=explanation.subject,
        title=title_of(scene, explanation.cause),
        started_at_us=min(starts),
        opened_at_us=scene.now_us,
        updated_at_us=scene.now_us,
        causes=explanation.causes,
        timeline=((scene.now_us, f"opened: {explanation.cause.sentence}"),),
    )
    return Case(incident=incident, active_at_us=scene.now_us)


def updated(
    scene: Scene, case: Case, explanation: Explanation | None, joined: Iterable[Anomaly] = ()
) -> Case:
    """The case after this scene; the very same object when nothing worth saying happened."""
    case = _explained(scene, case, explanation) if explanation else case
    case = _with_anomalies(case, [*(explanation.anomalies if explanation else ()), *joined])
    case = _with_changes(scene, case)
    case = _judged(scene, case)
    active_at_us = max(case.active_at_us, _active_at(scene, case))
    return case if active_at_us == case.active_at_us else case.but(active_at_us=active_at_us)


def resolved(case: Case, now_us: int, sentence: str) -> Case:
    incident = case.incident.but(
        state="resolved",
        resolved_at_us=now_us,
        timeline=_timeline(case.incident, [(now_us, sentence)]),
    )
    return case.but(incident=incident)


# --- parts of an update -------------------------------------------------------------------------


def _explained(scene: Scene, case: Case, explanation: Explanation) -> Case:
    """Numbers in sentences move all the time; only another cause or a new rival is news."""
    incident = case.incident
    same = _essence(incident.causes[0]) == _essence(explanation.cause)
    if same:
        known = {_essence(cause) for cause in incident.causes}
        if all(_essence(cause) in known for cause in explanation.causes):
            return case
        return case.but(incident=incident.but(causes=explanation.causes))
    if not is_weightier(explanation, case):
        return case
    said = (scene.now_us, f"likely cause: {explanation.cause.sentence}")
    return case.but(
        incident=incident.but(
            causes=explanation.causes,
            subject=explanation.subject,
            title=title_of(scene, explanation.cause),
            timeline=_timeline(incident, [said]),
        )
    )


def is_weightier(explanation: Explanation, case: Case) -> bool:
    """Whether its cause may replace the one believed: what a fault leaves behind does not."""
    return explanation.cause.weight > case.incident.causes[0].weight


def _essence(cause: Cause) -> tuple[str, str, str]:
    return cause.kind, cause.subject.kind, cause.subject.name


def _with_anomalies(case: Case, anomalies: Iterable[Anomaly]) -> Case:
    incident = case.incident
    new = [a for a in anomalies if a.id not in incident.anomalies]
    new = new[: MAX_EVIDENCE - len(incident.anomalies)]
    if not new:
        return case
    return case.but(
        incident=incident.but(
            anomalies=(*incident.anomalies, *(a.id for a in new)),
            started_at_us=min(incident.started_at_us, *(a.started_at_us for a in new)),
            timeline=_timeline(incident, [(a.started_at_us, _says(a)) for a in new]),
        )
    )


def _says(anomaly: Anomaly) -> str:
    who = anomaly.labels.get("replica") or anomaly.labels.get("tenant") or ""
    said = anomaly.sentence or f"{anomaly.feature} is {anomaly.actual:g} {anomaly.unit}"
    return f"{who}: {said}" if who and who not in said else said


_TOLD: Final = {"replica_lost", "replica_stopped", "set_aside", "taken_back", "replica_ready"}
_TOLD_OF_ANY_REPLICA: Final = {"replica_started", "replica_ready", "scaled"}


def _with_changes(scene: Scene, case: Case) -> Case:
    incident = case.incident
    new = [
        change
        for change in scene.changes
        if change.id not in incident.changes
        and (_is_about(case, change) or change.id in incident.causes[0].changes)
    ]
    new = new[: MAX_EVIDENCE - len(incident.changes)]
    if not new:
        return case
    return case.but(
        incident=incident.but(
            changes=(*incident.changes, *(c.id for c in new)),
            timeline=_timeline(incident, [(c.at_us, _tells(case, c)) for c in new]),
        )
    )


def _is_about(case: Case, change: Change) -> bool:
    if change.at_us < case.incident.started_at_us - 5 * SECOND_US:
        return False
    if change.kind in _TOLD_OF_ANY_REPLICA:
        return True
    return change.kind in _TOLD and change.replica == case.incident.subject.name


def _tells(case: Case, change: Change) -> str:
    subject = case.incident.subject.name
    match change.kind:
        case "set_aside":
            return f"traffic moved away from {change.replica}"
        case "taken_back":
            return f"{change.replica} gets traffic again"
        case "replica_started":
            return f"{change.replica} is starting"
        case "replica_ready" if case.kind in {"replica_lost", "replica_frozen"}:
            return f"{change.replica} is ready and replaces {subject}"
        case "replica_ready":
            return f"{change.replica} is ready"
        case _:
            return change.summary or f"{change.kind} {change.replica}".strip()


def _judged(scene: Scene, case: Case) -> Case:
    """Harm is only ever added while an incident is open, so that it does not flicker."""
    incident = case.incident
    users = incident.users_hurt or case.kind == "replica_wrong" or _users_hurt(scene, case)
    trust = incident.trust_hurt or case.kind in _DISTRUST
    severity: Severity = "warning"
    if users or incident.severity == "critical":
        severity = "critical"
    elif case.kind in _INFORMS and incident.severity == "info":
        severity = "info"
    if (users, trust, severity) == (incident.users_hurt, incident.trust_hurt, incident.severity):
        return case
    return case.but(incident=incident.but(users_hurt=users, trust_hurt=trust, severity=severity))


_DISTRUST: Final = {
    "replica_lost",
    "replica_frozen",
    "client_errors",
    "gpu_fault",
    "metric_stuck",
    "silent_metrics",
}
_INFORMS: Final = VAGUE_KINDS | {"silent_metrics"}
"""Not enough to disturb anybody: a replica may have been taken away by whoever did not say so."""
HURT_RATIO: Final = 0.05
"""Share of well-behaved clients' requests that may fail or be refused before users are hurt."""

HURT_LEAST: Final = 1.5
"""So many at least: where one comes in ten seconds, a single one is more than that share."""


def _users_hurt(scene: Scene, case: Case) -> bool:
    subject = case.incident.subject
    good = {
        name: facts
        for name, facts in scene.facts.tenants.items()
        if facts.refused_ratio < 0.5 and not (subject.kind == "client" and name == subject.name)
    }
    arrived = sum(t.arrived.now for t in good.values())
    bad = [pace for facts in good.values() for pace in (facts.refused, facts.failed)]
    hurt = sum(pace.now for pace in bad)
    several = sum(pace.lately for pace in bad) >= HURT_LEAST
    wait, slo_s = scene.facts.queue_s, scene.status.slo_queue_s if scene.status else None
    waits = slo_s is not None and wait.now > slo_s and scene.now_us - wait.at_us < 10 * SECOND_US
    return waits or (arrived > 0 and several and hurt / arrived > HURT_RATIO)


def _active_at(scene: Scene, case: Case) -> int:
    if _is_missed(scene, case):
        return scene.now_us
    mine = [a for a in scene.anomalies if a.id in case.incident.anomalies]
    return max((a.ended_at_us or scene.now_us for a in mine), default=0)


def _is_missed(scene: Scene, case: Case) -> bool:
    """Whether a replica that was lost or froze has not been replaced yet."""
    age_us = scene.now_us - case.incident.opened_at_us
    if case.kind not in {"replica_lost", "replica_frozen"} or age_us > HELD_AT_MOST_US:
        return False
    if scene.status is not None:
        return scene.status.ready < scene.status.desired
    ready = [c for c in scene.changes if c.kind in {"replica_ready", "taken_back"}]
    return age_us < REPLACED_WITHIN_US and not any(
        c.at_us >= case.incident.started_at_us for c in ready
    )


def _timeline(incident: Incident, moments: Iterable[Moment]) -> tuple[Moment, ...]:
    """How it began and how it goes now; when full, the middle is forgotten."""
    timeline = sorted({*incident.timeline, *moments})
    excess = len(timeline) - MAX_TIMELINE
    if excess > 0:
        del timeline[10 : 10 + excess]
    return tuple(timeline)


_TITLES: Final = {
    "replica_frozen": "{name} is frozen",
    "replica_lost": "{name} died",
    "replica_slow": "{name} is slow",
    "replica_stalled": "{name} lets requests wait",
    "replica_wrong": "{name} answers wrongly",
    "replica_differs": "{name} answers otherwise than its fellows",
    "memory_leak": "Memory of {name} leaks",
    "kv_exhausted": "The KV cache of {name} is full",
    "prefix_cache": "The prefix cache of {name} does not help any more",
    "traffic_surge": "Traffic surge on {pool}",
    "traffic_drop": "Requests to {pool} stay away",
    "client_errors": "{name} floods {pool} with requests that are refused",
    "retry_storm": "Clients of {pool} send again and again what they gave up",
    "capacity_short": "{pool} is short of capacity",
    "gpu_fault": "GPU {name} is faulty",
    "crash_loop": "{name} crashes again and again",
    "metric_stuck": "Metrics of {name} stand still",
    "silent_metrics": "Metrics of {name} do not come any more",
    "change": "{pool} is unwell after a change",
}


def title_of(scene: Scene, cause: Cause) -> str:
    pattern = _TITLES.get(cause.kind, "Something is wrong with {name}")
    return pattern.format(name=cause.subject.name, pool=scene.pool or scene.cluster)
