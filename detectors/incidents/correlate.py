"""A scene in; the fewest causes that explain all its anomalies out, each with its rivals."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from detectors.incidents.scene import CLEAR_SCORE, Family, Scene, family_of, is_fixed, lasted_s
from detectors.incidents.suspects import SUSPECTS
from detectors.incidents.suspects.base import STRAIN, Suspect
from streams.schemas.anomalies import Anomaly
from streams.schemas.incidents import Cause, Subject

MAX_RIVALS: Final = 3

UNKNOWN_WEIGHT: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One thing that went wrong.

    causes: ranked, the first is believed. anomalies: everything it explains, oldest first.
    proper: ids of those that speak for it by themselves. certain, corroborated: see ``Suspect``.
    """

    causes: tuple[Cause, ...]
    anomalies: tuple[Anomaly, ...]
    proper: frozenset[str]
    certain: bool = False
    corroborated: bool = False

    @property
    def cause(self) -> Cause:
        return self.causes[0]

    @property
    def subject(self) -> Subject:
        return self.causes[0].subject


def explain(scene: Scene) -> list[Explanation]:
    """Explanations, the weightiest first; every anomaly of the scene is in at least one.

    Greedy cover: the weightiest suspect takes all that follows from it; the next one counts only
    if something that speaks for it is still unexplained. So a frozen replica is one incident, with
    the queue in front of its pool among its symptoms.
    """
    suspects = sorted(
        (suspect for find in SUSPECTS for suspect in find(scene)),
        key=lambda s: (-s.cause.weight, s.cause.kind, s.cause.subject.name),
    )
    left = {anomaly.id for anomaly in scene.anomalies}
    believed: list[Explanation] = []
    for suspect in suspects:
        if suspect.certain or suspect.proper & left:
            believed.append(_explanation(scene, suspect, suspects))
            left -= suspect.explains
    if rest := [anomaly for anomaly in scene.anomalies if anomaly.id in left]:
        believed.append(_unknown(scene, rest))
    return believed


def _explanation(scene: Scene, suspect: Suspect, suspects: Sequence[Suspect]) -> Explanation:
    rivals = [
        other.cause
        for other in suspects
        if other is not suspect
        and other.cause.weight <= suspect.cause.weight
        and other.proper & suspect.explains
    ]
    return Explanation(
        causes=(suspect.cause, *rivals[:MAX_RIVALS]),
        anomalies=_by_start(a for a in scene.anomalies if a.id in suspect.explains),
        proper=suspect.proper,
        certain=suspect.certain,
        corroborated=suspect.corroborated,
    )


def _unknown(scene: Scene, rest: Sequence[Anomaly]) -> Explanation:
    worst = max(rest, key=lambda a: (is_fixed(a), a.peak_score, a.id))
    said = worst.sentence or f"{worst.feature} is {worst.actual:g} {worst.unit}"
    cause = Cause(
        kind="unknown",
        subject=_common_subject(scene, rest),
        weight=UNKNOWN_WEIGHT,
        sentence=f"no known cause fits; {said}",
        anomalies=tuple(sorted(a.id for a in rest)),
    )
    proper = frozenset(a.id for a in rest)
    return Explanation(causes=(cause,), anomalies=_by_start(rest), proper=proper)


def _common_subject(scene: Scene, anomalies: Sequence[Anomaly]) -> Subject:
    replicas = {a.labels.get("replica", "") for a in anomalies}
    tenants = {a.labels.get("tenant", "") for a in anomalies}
    families = {family_of(a) for a in anomalies}
    if len(replicas) == 1 and (name := replicas.pop()):
        return Subject(kind="replica", name=name)
    # A slow answer is not the fault of the client that waits for it; what it sends is.
    if (
        len(tenants) == 1
        and families <= {Family.REFUSALS, Family.DEMAND}
        and (name := tenants.pop())
    ):
        return Subject(kind="client", name=name)
    if scene.pool:
        return Subject(kind="pool", name=scene.pool)
    return Subject(kind="unknown", name=scene.cluster)


def _by_start(anomalies: Iterable[Anomaly]) -> tuple[Anomaly, ...]:
    return tuple(sorted(anomalies, key=lambda a: (a.started_at_us, a.id)))


# --- is it enough to disturb somebody? ----------------------------------------------------------

PERSISTS_S: Final = 3.0
VAGUE_PERSISTS_S: Final = 6.0
VAGUE_KINDS: Final = frozenset({"capacity_short", "unknown", "change", "replica_stalled"})
"""Causes that busy moments look like: they need more to go by."""


def is_convincing(explanation: Explanation) -> bool:
    """Whether an incident should be opened for it.

    Yes for a reported fault and for an anomaly of fixed meaning, at once. Learned anomalies must
    persist, and one of them is clear, or there is a second, independent witness.
    """
    unknown = explanation.cause.kind == "unknown"
    told = [a for a in explanation.anomalies if not unknown or _may_hurt(a)]
    if explanation.certain or any(is_fixed(a) for a in told if a.id in explanation.proper):
        return True
    vague = explanation.cause.kind in VAGUE_KINDS
    persists_s = VAGUE_PERSISTS_S if vague else PERSISTS_S
    lasting = [a for a in told if lasted_s(a) >= persists_s]
    proper = [a for a in lasting if a.id in explanation.proper]
    if not proper:
        return False
    clear = any(a.peak_score >= CLEAR_SCORE for a in proper)
    return clear or explanation.corroborated or _independent(lasting, vague=vague)


def _may_hurt(anomaly: Anomaly) -> bool:
    """Whether it is worth waking somebody although nobody knows what it means.

    More traffic that is no surge is only more traffic; a replica that works harder or more slowly
    than usual, without being slow among its fellows, is noise until users feel it. Answers of a
    whole pool that are longer or shorter than they used to be are what clients ask for.
    """
    family = family_of(anomaly)
    if anomaly.labels.get("replica"):
        return family not in {*STRAIN, Family.DEMAND}
    return family not in {Family.ANSWERS, Family.DEMAND}


def _independent(anomalies: Sequence[Anomaly], *, vague: bool) -> bool:
    """Two families; for a cause with a culprit two series will do."""
    families = {family_of(a) for a in anomalies}
    if vague:
        # A busy moment is slow and backed up at once: many witnesses, one event.
        return len(families) >= 2 and bool(families - STRAIN - {Family.DEMAND})
    return len(families) >= 2 or len({a.series_id for a in anomalies}) >= 2
