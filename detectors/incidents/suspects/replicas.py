"""Replicas as suspects: gone, frozen, or slower than their fellows."""

from collections.abc import Iterator
from typing import Final

from detectors.incidents.scene import Family, Scene, feature_of
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
SLOW_RATIO: Final = 1.4
"""How many times slower than its fellows a replica is called slow."""
CLEARLY_SLOW_RATIO: Final = 2.0
"""From here on more traffic for all of them is no explanation for one."""
STALLED: Final = "stalled_s"
PEERS: Final = "peers"
"""The bank that compares fellows already, in the same window and at the same load."""


def lost_or_frozen(scene: Scene) -> Iterator[Suspect]:
    silent = [a for a in scene.of(Family.AVAILABILITY) if a.labels.get("replica")]
    failing = [a for a in scene.of(Family.ERRORS) if a.labels.get("replica")]
    lost = {c.replica: c for c in scene.changes if _is_loss(scene, c)}
    for replica in sorted({a.labels["replica"] for a in silent} | lost.keys()):
        own = [a for a in silent if is_of_replica(a, replica)]
        if replica not in scene.frozen and _died(scene, replica, own, lost.get(replica)):
            errors = [a for a in failing if is_of_replica(a, replica)]
            yield _lost(scene, replica, own + errors, lost.get(replica))
        elif own and not _only_stalls(scene, replica, own):
            yield _frozen(scene, replica, own)


def _only_stalls(scene: Scene, replica: str, own: list[Anomaly]) -> bool:
    """It makes its requests wait, but answers its scrapes and is late with tokens: it is slow."""
    late = [a for a in _late(scene) if is_of_replica(a, replica)]
    return bool(late) and all(feature_of(a) == STALLED for a in own)


def _certainty(own: list[Anomaly], aside: list[str]) -> float:
    if all(feature_of(a) == STALLED for a in own):
        return 0.75
    return 0.95 if aside or len({feature_of(a) for a in own}) > 1 else 0.9


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


def _lost(scene: Scene, replica: str, proper: list[Anomaly], change: Change | None) -> Suspect:
    said = change.summary if change else scene.replicas[replica].reason
    cause = Cause(
        kind="replica_lost",
        subject=Subject(kind="replica", name=replica),
        weight=0.97 if change else 0.9,
        sentence=f"the process of {replica} died" + (f": {said}" if said else ""),
        changes=(change.id,) if change else (),
    )
    certain = change is not None
    return suspect(scene, cause, proper, follows_from_replica(replica), certain=certain)


def _frozen(scene: Scene, replica: str, own: list[Anomaly]) -> Suspect:
    aside = [c.id for c in scene.changes if c.kind == "set_aside" and c.replica == replica]
    silent_s = (scene.now_us - min(a.started_at_us for a in own)) / SECOND_US
    cause = Cause(
        kind="replica_frozen",
        subject=Subject(kind="replica", name=replica),
        weight=_certainty(own, aside),
        sentence=f"{replica} has not answered for {silent_s:.0f} s, "
        "and its process was not reported gone",
        changes=tuple(sorted(aside)),
    )
    return suspect(scene, cause, own, follows_from_replica(replica))


def slow(scene: Scene) -> Iterator[Suspect]:
    late = _late(scene)
    stalls = [a for a in scene.of(Family.AVAILABILITY) if feature_of(a) == STALLED]
    for replica in sorted({a.labels["replica"] for a in late}):
        own = [a for a in late if is_of_replica(a, replica)]
        ratio, sentence = max(_slowness(scene, a) for a in own)
        if ratio < SLOW_RATIO:
            continue
        cause = Cause(
            kind="replica_slow",
            subject=Subject(kind="replica", name=replica),
            weight=0.6 + 0.28 * min((ratio - SLOW_RATIO) / 2, 1.0),
            sentence=sentence,
        )
        own += [a for a in stalls if is_of_replica(a, replica)]
        fellows = scene.facts.fellows_of(replica, "inter_token_s") is not None
        yield suspect(
            scene,
            cause,
            own,
            follows_from_replica(replica),
            corroborated=fellows and ratio >= CLEARLY_SLOW_RATIO,
        )


def clearly_slow(scene: Scene) -> frozenset[str]:
    """Replicas that are late by themselves, whatever all of them have to bear."""
    late = _late(scene)
    return frozenset(
        a.labels["replica"] for a in late if _slowness(scene, a)[0] >= CLEARLY_SLOW_RATIO
    )


def _late(scene: Scene) -> list[Anomaly]:
    return [
        a
        for a in scene.of(Family.LATENCY, direction="above")
        if a.labels.get("replica") and feature_of(a) in {"ttft_s", "inter_token_s"}
    ]


def _slowness(scene: Scene, anomaly: Anomaly) -> tuple[float, str]:
    """How many times slower it is than expected, and than its fellows, whichever is less.

    In a busy moment of the machine a replica is slower than it was, but not than its fellows.
    """
    replica, feature = anomaly.labels["replica"], feature_of(anomaly)
    what = "time between tokens" if feature == "inter_token_s" else "time to first token"
    said = f"{what} of {replica} is {anomaly.actual:.2g} s"
    ratio = anomaly.actual / anomaly.expected if anomaly.expected > 0 else 1.0
    own, fellows_s = scene.facts.pace_of(replica, feature), scene.facts.fellows_of(replica, feature)
    if anomaly.detector == PEERS or not own or not fellows_s:
        return ratio, f"{said}, expected {anomaly.expected:.2g} s"
    return min(ratio, own.now / fellows_s), f"{said}, of its fellows {fellows_s:.2g} s"
