"""Replicas that answer late while their fellows do not, or that stall requests altogether."""

from collections.abc import Iterator, Mapping
from statistics import median
from typing import Final

from detectors.incidents.facts import PoolFacts, ReplicaFacts
from detectors.incidents.scene import Family, Scene, feature_of
from detectors.incidents.suspects.base import (
    Suspect,
    follows_from_replica,
    is_of_replica,
    suspect,
)
from streams.schemas.anomalies import Anomaly
from streams.schemas.incidents import Cause, Subject

SLOW_RATIO: Final = 2.0
"""How many times what is expected of it at its load makes a replica slow."""
APART_RATIO: Final = 1.5
"""How many times worse than its fellows: in a busy moment of the machine all are late together."""
FASTER_RATIO: Final = 1.25
"""How many times faster than its fellows it became slower, before detectors are sure of them."""

_WHAT: Final = {"inter_token_s": "time between tokens", "ttft_s": "time to first token"}


def slow_replica(scene: Scene) -> Iterator[Suspect]:
    for replica in sorted(slow_replicas(scene)):
        own = [a for a in _late(scene) if is_of_replica(a, replica)]
        worst = max(own, key=lambda a: (_lateness(a), a.id))
        ratio = _lateness(worst)
        cause = Cause(
            kind="replica_slow",
            subject=Subject(kind="replica", name=replica),
            weight=0.65 + 0.23 * min((ratio - SLOW_RATIO) / 2, 1.0),
            sentence=_sentence(scene, worst),
        )
        yield suspect(
            scene,
            cause,
            own + [a for a in scene.of(Family.STALLS) if is_of_replica(a, replica)],
            follows_from_replica(replica),
        )


def slower_than_fellows(scene: Scene) -> Iterator[Suspect]:
    """Replicas that were slow from the first look on: only fellows show that it is unusual."""
    apart = [a for a in _late(scene) if a.detector == "fellows" and a.expected > 0]
    for replica in sorted({a.labels["replica"] for a in apart}):
        own = [a for a in _late(scene) if is_of_replica(a, replica)]
        worst = max((a for a in own if a in apart), key=lambda a: (_lateness(a), a.id))
        cause = Cause(
            kind="replica_slow",
            subject=Subject(kind="replica", name=replica),
            weight=0.64,
            sentence=f"{_WHAT[feature_of(worst)]} of {replica} is {worst.actual:.2g} s, "
            f"{_lateness(worst):.1f} times the {worst.expected:.2g} s of its fellows",
        )
        yield suspect(scene, cause, own, follows_from_replica(replica))


def stalling(scene: Scene) -> Iterator[Suspect]:
    """One replica that lets requests wait but answers its scrapes, and no fellow does the same."""
    stalls = [a for a in scene.of(Family.STALLS) if a.labels.get("replica")]
    if len({a.labels["replica"] for a in stalls}) != 1:
        return
    worst = max(stalls, key=lambda a: (a.actual, a.id))
    replica = worst.labels["replica"]
    cause = Cause(
        kind="replica_stalled",
        subject=Subject(kind="replica", name=replica),
        weight=0.5,
        sentence=f"a request at {replica} has waited {worst.actual:.1f} s for its next byte",
    )
    yield suspect(scene, cause, stalls, follows_from_replica(replica))


def slow_replicas(scene: Scene) -> frozenset[str]:
    """Replicas that are late by themselves, whatever all of them have to bear.

    Not those that were given more than they have room for: it is no fault of theirs, and passes.
    """
    late: dict[str, float] = dict.fromkeys(scene.facts.replicas, 1.0)
    for anomaly in _late(scene):
        name = anomaly.labels["replica"]
        late[name] = max(late.get(name, 1.0), _lateness(anomaly))
    slowed = {name: _slowed(facts) for name, facts in scene.facts.replicas.items()}
    return frozenset(
        name
        for name, ratio in late.items()
        if ratio >= max(SLOW_RATIO, APART_RATIO * _typical(late, but=name))
        # Fellows may have slowed down without a detector's word so far.
        and ratio >= APART_RATIO * _typical(slowed, but=name)
        and slowed.get(name, 1.0) >= FASTER_RATIO * _typical(slowed, but=name)
        and not _was_given_more(scene.facts, name)
    )


def _was_given_more(facts: PoolFacts, replica: str) -> bool:
    """Full, while most of its fellows have room."""
    fellows = [facts.is_full(name) for name in facts.replicas if name != replica]
    return facts.is_full(replica) and 2 * sum(fellows) <= len(fellows)


def _typical(ratios: Mapping[str, float], *, but: str) -> float:
    return median([ratio for name, ratio in ratios.items() if name != but] or [0.0])


def _slowed(facts: ReplicaFacts) -> float:
    """How many times slower it is than it used to be, at whatever load."""
    paces = [pace for pace in (facts.inter_token_s, facts.ttft_s) if pace.past > 0]
    return max([1.0, *(pace.now / pace.past for pace in paces)])


def _late(scene: Scene) -> list[Anomaly]:
    return [
        a
        for a in scene.of(Family.LATENCY, direction="above")
        if a.labels.get("replica") and feature_of(a) in _WHAT
    ]


def _lateness(anomaly: Anomaly) -> float:
    """How many times slower than expected; detectors expect more time at more load."""
    return anomaly.actual / anomaly.expected if anomaly.expected > 0 else 1.0


def _sentence(scene: Scene, anomaly: Anomaly) -> str:
    replica, feature = anomaly.labels["replica"], feature_of(anomaly)
    said = f"{_WHAT[feature]} of {replica} is {anomaly.actual:.2g} s"
    said += f", expected {anomaly.expected:.2g} s at its load"
    fellows_s = scene.facts.fellows_of(replica, feature)
    return said if fellows_s is None else f"{said}; its fellows take {fellows_s:.2g} s"
