"""Replicas that do not answer: their process is gone, or it is there and frozen."""

from collections.abc import Iterator
from typing import Final

from detectors.incidents.scene import Family, Scene
from detectors.incidents.suspects.base import (
    Suspect,
    follows_from_replica,
    is_of_replica,
    suspect,
)
from streams.clock import SECOND_US
from streams.schemas.anomalies import Anomaly
from streams.schemas.incidents import Cause, Subject
from streams.schemas.telemetry import Change

LOST_BEFORE_SILENT_US: Final = 6 * SECOND_US
"""A process reported gone later than this after its replica fell silent was frozen, and replaced
because of it: drivers wait longer than this before they give up on a silent process."""


def lost_or_frozen(scene: Scene) -> Iterator[Suspect]:
    silent = [a for a in scene.of(Family.AVAILABILITY) if a.labels.get("replica")]
    lost = {c.replica: c for c in scene.changes if _is_loss(scene, c)}
    for replica in sorted({a.labels["replica"] for a in silent} | lost.keys()):
        own = [a for a in silent if is_of_replica(a, replica)]
        if replica not in scene.frozen and _died(scene, replica, own, lost.get(replica)):
            yield _lost(scene, replica, own, lost.get(replica))
        elif own:
            yield _frozen(scene, replica, own)


def _is_loss(scene: Scene, change: Change) -> bool:
    """A process that ended although nobody had asked it to."""
    if change.kind != "replica_lost" or not change.replica:
        return False
    return not any(
        other.kind == "replica_stopped"
        and other.replica == change.replica
        and other.at_us <= change.at_us
        for other in scene.changes
    )


def _died(scene: Scene, replica: str, silent: list[Anomaly], lost: Change | None) -> bool:
    status = scene.replicas.get(replica)
    gone_at = [lost.at_us] if lost else []
    if status and status.state == "failed":
        gone_at.append(status.since_us)
    if not gone_at:
        return False
    since = min((a.started_at_us for a in silent), default=min(gone_at))
    return min(gone_at) <= since + LOST_BEFORE_SILENT_US


def _lost(scene: Scene, replica: str, silent: list[Anomaly], change: Change | None) -> Suspect:
    said = change.summary if change else scene.replicas[replica].reason
    cause = Cause(
        kind="replica_lost",
        subject=Subject(kind="replica", name=replica),
        weight=0.97 if change else 0.9,
        sentence=f"the process of {replica} died" + (f": {said}" if said else ""),
        changes=(change.id,) if change else (),
    )
    errors = [a for a in scene.of(Family.ERRORS) if is_of_replica(a, replica)]
    certain = change is not None
    return suspect(scene, cause, silent + errors, follows_from_replica(replica), certain=certain)


def _frozen(scene: Scene, replica: str, silent: list[Anomaly]) -> Suspect:
    aside = [c.id for c in scene.changes if c.kind == "set_aside" and c.replica == replica]
    stalls = [a for a in scene.of(Family.STALLS) if is_of_replica(a, replica)]
    silent_s = (scene.now_us - min(a.started_at_us for a in silent)) / SECOND_US
    cause = Cause(
        kind="replica_frozen",
        subject=Subject(kind="replica", name=replica),
        weight=0.95 if aside or stalls else 0.9,
        sentence=f"{replica} has not answered for {silent_s:.0f} s, "
        "and its process was not reported gone",
        changes=tuple(sorted(aside)),
    )
    return suspect(scene, cause, silent, follows_from_replica(replica))
