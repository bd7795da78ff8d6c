"""Scenes and cases in, cases out: when an incident opens, grows, sharpens and resolves."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from detectors.incidents.case import Case, opened, resolved, updated
from detectors.incidents.correlate import Explanation, explain, is_convincing
from detectors.incidents.scene import Scene
from streams.clock import SECOND_US
from streams.schemas.anomalies import Anomaly
from streams.schemas.incidents import Command, Incident

MAX_CASES: Final = 100
"""Open incidents of one pool; beyond that new explanations wait until one resolves."""

_OWN_INCIDENT: Final = {
    "replica_lost",
    "replica_frozen",
    "client_errors",
    "retry_storm",
    "traffic_surge",
    "gpu_fault",
    "replica_wrong",
    "replica_differs",
}
"""Causes that stand on their own; all others are taken for after-effects of an incident that is
open in the same pool."""
_SILENT: Final = {"replica_lost", "replica_frozen"}
"""While these last, others have more to do and a new one starts: late is what they must be."""
_BROAD: Final = {"pool", "unknown"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleRules:
    """Spans of an incident's life, in seconds.

    join_s: what is found this long after an incident was last active may still be part of it.
    young_s: until this age a pool's incident may find its culprit and be named after it.
    """

    resolves_after_s: float = 15.0
    join_s: float = 15.0
    young_s: float = 30.0


def advance(
    scene: Scene, cases: Sequence[Case], commands: Iterable[Command], rules: LifecycleRules
) -> list[Case]:
    """All cases of the pool after this scene, open ones first touched, new ones last."""
    still = [case for case in cases if case.is_open]
    explanations = explain(scene)
    matched, rest = _match(scene, still, explanations, rules)
    joined, fresh = _join(scene, still, rest, rules)
    after = [
        updated(scene, case, matched.get(case.incident.id), joined.get(case.incident.id, ()))
        for case in still
    ]
    after += _new_cases(scene, fresh, MAX_CASES - len(after), rules)
    asked = {c.incident: c for c in commands if c.kind == "resolve"}
    closed = [case for case in cases if not case.is_open]
    return [_ended(scene, case, asked.get(case.incident.id), rules) for case in after] + closed


def _new_cases(
    scene: Scene, explanations: Iterable[Explanation], room: int, rules: LifecycleRules
) -> list[Case]:
    new: list[Case] = []
    for explanation in explanations:
        host = _host(scene, new, explanation, rules)
        if host is not None:
            at = new.index(host)
            new[at] = updated(scene, host, None, explanation.anomalies)
        elif len(new) < room and is_convincing(explanation):
            new.append(updated(scene, opened(scene, explanation), explanation))
    return new


def _match(
    scene: Scene, cases: Sequence[Case], explanations: Sequence[Explanation], rules: LifecycleRules
) -> tuple[dict[str, Explanation], list[Explanation]]:
    """Case id -> the explanation that is about it, and the explanations of no case."""
    by_subject = {(c.incident.subject.kind, c.incident.subject.name): c for c in cases}
    matched: dict[str, Explanation] = {}
    rest: list[Explanation] = []
    for explanation in explanations:
        subject = explanation.subject
        case = by_subject.get((subject.kind, subject.name))
        if case and case.incident.id not in matched:
            matched[case.incident.id] = explanation
        else:
            rest.append(explanation)
    for explanation in list(rest):
        if case := _to_sharpen(scene, cases, matched.keys(), explanation, rules):
            matched[case.incident.id] = explanation
            rest.remove(explanation)
    return matched, rest


def _to_sharpen(
    scene: Scene,
    cases: Sequence[Case],
    taken: Collection[str],
    explanation: Explanation,
    rules: LifecycleRules,
) -> Case | None:
    """A young incident whose evidence turns out to be this explanation's.

    One of the whole pool that has a culprit, or one of a replica that is only the first of many.
    """
    evidence = {a.id for a in explanation.anomalies}
    for case in cases:
        incident = case.incident
        age_s = (scene.now_us - incident.opened_at_us) / SECOND_US
        if (
            incident.id not in taken
            and _may_become(incident, explanation)
            and age_s <= rules.young_s
            and evidence & set(incident.anomalies)
        ):
            return case
    return None


def _may_become(incident: Incident, explanation: Explanation) -> bool:
    if explanation.subject.kind in _BROAD:
        return incident.causes[0].kind == explanation.cause.kind
    return incident.subject.kind in _BROAD


def _join(
    scene: Scene, cases: Sequence[Case], rest: Iterable[Explanation], rules: LifecycleRules
) -> tuple[dict[str, list[Anomaly]], list[Explanation]]:
    """What becomes part of an open incident without changing its cause, and what does not."""
    joined: dict[str, list[Anomaly]] = {}
    fresh: list[Explanation] = []
    for explanation in rest:
        host = _host(scene, cases, explanation, rules)
        if host is None:
            fresh.append(explanation)
        else:
            joined.setdefault(host.incident.id, []).extend(explanation.anomalies)
    return joined, fresh


def _host(
    scene: Scene, cases: Sequence[Case], explanation: Explanation, rules: LifecycleRules
) -> Case | None:
    recent_us = scene.now_us - round(rules.join_s * SECOND_US)
    active = [case for case in cases if case.active_at_us >= recent_us]
    owner = [c for c in active if explanation.proper & set(c.incident.anomalies)]
    if owner and not explanation.certain:
        return owner[-1]
    if explanation.cause.kind in _OWN_INCIDENT:
        return None
    if explanation.cause.kind == "replica_slow":
        active = [case for case in active if case.kind in _SILENT]
    return active[-1] if active else None


def _ended(scene: Scene, case: Case, asked: Command | None, rules: LifecycleRules) -> Case:
    if asked is not None:
        why = f": {asked.reason}" if asked.reason else ""
        return resolved(case, scene.now_us, f"resolved by {asked.actor}{why}")
    quiet_s = (scene.now_us - case.active_at_us) / SECOND_US
    if quiet_s < rules.resolves_after_s:
        return case
    return resolved(case, scene.now_us, f"resolved: nothing unusual for {quiet_s:.0f} s")
