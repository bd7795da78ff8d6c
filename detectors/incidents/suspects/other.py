"""Hardware and people as suspects: a faulty GPU, something changed shortly before."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from detectors.incidents.scene import Family, Scene, is_fixed
from detectors.incidents.suspects.base import (
    Suspect,
    follows_from_replica,
    gpu_of,
    is_of_replica,
    nothing,
    suspect,
)
from streams.clock import SECOND_US
from streams.schemas.anomalies import Anomaly
from streams.schemas.incidents import Cause, Subject
from streams.schemas.telemetry import Change

CHANGE_BEFORE_US: Final = 120 * SECOND_US

_BLAMED: Final[Mapping[str, float]] = {
    "deployed": 0.66,
    "configured": 0.66,
    "model_loaded": 0.6,
    "node_maintenance": 0.6,
    "other": 0.4,
}
"""Weight of changes that people make; what our own scaling does is an answer, not a cause."""


HELD_IDLE: Final = "gpu.held_idle_s_max"
"""A waste, and no fault."""


def faulty_gpu(scene: Scene) -> Iterator[Suspect]:
    faults = [a for a in scene.of(Family.HARDWARE) if a.feature != HELD_IDLE]
    for uuid in sorted({a.labels.get("gpu_uuid", "") for a in faults}):
        own = [a for a in faults if a.labels.get("gpu_uuid", "") == uuid]
        worst = max(own, key=lambda a: (is_fixed(a), a.peak_score, a.id))
        replica = worst.labels.get("replica", "")
        said = f"{worst.feature} of GPU {uuid} is {worst.actual:g} {worst.unit}"
        cause = Cause(
            kind="gpu_fault",
            subject=gpu_of(worst),
            weight=0.92 if is_fixed(worst) else 0.5,
            sentence=worst.sentence or said,
        )
        yield suspect(scene, cause, own, follows_from_replica(replica) if replica else nothing)


def recent_change(scene: Scene) -> Iterator[Suspect]:
    first_us = min((a.started_at_us for a in scene.anomalies), default=0)
    for change in scene.changes:
        before_us = first_us - change.at_us
        if change.kind not in _BLAMED or not 0 <= before_us <= CHANGE_BEFORE_US:
            continue
        subject, touched = _touched(scene, change)
        cause = Cause(
            kind="change",
            subject=subject,
            weight=_BLAMED[change.kind],
            sentence=f"{change.summary}, {before_us / SECOND_US:.0f} s before",
            changes=(change.id,),
        )
        yield suspect(scene, cause, touched)


def _touched(scene: Scene, change: Change) -> tuple[Subject, Sequence[Anomaly]]:
    """Whom it was done to, and the anomalies of the scene that are theirs."""
    if change.replica:
        own = [a for a in scene.anomalies if is_of_replica(a, change.replica)]
        return Subject(kind="replica", name=change.replica), own
    if change.node:
        own = [a for a in scene.anomalies if a.labels.get("node") == change.node]
        return Subject(kind="node", name=change.node), own
    return Subject(kind="pool", name=scene.pool), scene.anomalies
