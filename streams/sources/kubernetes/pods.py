"""Pods as they were and as they are in: replicas that start, serve, leave or die out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from streams.clock import SECOND_US
from streams.schemas.telemetry import Change, ChangeKind
from streams.sources.kubernetes.line import Line
from streams.sources.kubernetes.objects import Meta, PodObject, condition, instant, micros

RECENT_US: Final = 3_600 * SECOND_US
"""A watcher may have been away so long: who serves again since must not count as stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One pod, as far as it is compared. deaths: container -> how often it was started anew."""

    uid: str
    name: str
    pool: str
    node: str
    created: datetime | None
    ready: datetime | None
    leaving: datetime | None
    failed: str
    deaths: Mapping[str, int]
    died: datetime | None
    last_words: str


def pod(line: Line, found: PodObject) -> Pod:
    meta, status = found.metadata, found.status
    ready = condition(status.conditions, "Ready")
    containers = status.container_statuses or ()
    ends = [(one.name, end) for one in containers if (end := one.last_state.terminated)]
    name, end = max(ends, key=lambda e: micros(e[1].finished_at), default=("", None))
    return Pod(
        uid=meta.uid,
        name=meta.name,
        pool=line.pool_of(meta.labels or {}),
        node=found.spec.node_name,
        created=meta.creation_timestamp,
        ready=ready.last_transition_time if ready.status == "True" else None,
        leaving=_asked_to_leave(meta),
        failed=(status.reason or "failed") if status.phase == "Failed" else "",
        deaths={one.name: one.restart_count for one in containers},
        died=end.finished_at if end else None,
        last_words=f"{name} ended: {end.reason or 'unknown'}, exit code {end.exit_code}"
        if end
        else "",
    )


def told_of(before: Pod | None, now: Pod, cluster: str, now_us: int) -> list[Change]:
    """What happened; of a pod not known before only what still matters."""
    return [_change(now, cluster, what) for what in _told(before, now, now_us)]


def gone(was: Pod, cluster: str, now_us: int) -> list[Change]:
    """Nothing if it was known to be leaving."""
    return [] if was.leaving else [_change(was, cluster, _leaves(now_us))]


_What = tuple[ChangeKind, str, int, str]
"""(kind, word for the id, at_us, sentence)"""


def _told(before: Pod | None, now: Pod, now_us: int) -> Iterator[_What]:
    created_us, ready_us = micros(now.created), micros(now.ready)
    if before is None:
        if now_us - RECENT_US < created_us <= now_us:
            yield "replica_started", "started", created_us, "was created"
        if ready_us > now_us - RECENT_US:
            yield "replica_ready", f"ready/{ready_us}", min(ready_us, now_us), "is ready"
        return
    if now.ready and before.ready != now.ready:
        yield "replica_ready", f"ready/{ready_us}", instant(now.ready, now_us), "is ready"
    if now.leaving and not before.leaving:
        yield _leaves(instant(now.leaving, now_us))
    if any(count > before.deaths.get(name, 0) for name, count in now.deaths.items()):
        word = f"lost/{sum(now.deaths.values())}"
        died_us = instant(now.died, now_us)
        yield "replica_lost", word, died_us, f"lost a container: {now.last_words}"
    if now.failed and not before.failed and not now.leaving:
        yield "replica_lost", "failed", now_us, f"failed: {now.failed}"


def _leaves(at_us: int) -> _What:
    return "replica_stopped", "stopped", at_us, "is being ended"


def _asked_to_leave(meta: Meta) -> datetime | None:
    """The API says until when it may stay."""
    if meta.deletion_timestamp is None:
        return None
    return meta.deletion_timestamp - timedelta(seconds=meta.deletion_grace_period_seconds or 0)


def _change(of: Pod, cluster: str, what: _What) -> Change:
    kind, word, at_us, sentence = what
    return Change(
        id=f"{cluster}/{of.uid}/{word}",
        at_us=at_us,
        kind=kind,
        summary=f"{of.name} {sentence}",
        actor="kubernetes",
        cluster=cluster,
        pool=of.pool,
        replica=of.name,
        node=of.node,
    )
