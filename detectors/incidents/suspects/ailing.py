"""Engines that go wrong by themselves: memory that leaks, caches that fill up or stop helping."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from detectors.incidents.scene import Family, Scene, family_of, feature_of
from detectors.incidents.suspects.base import (
    OF_THE_POOL,
    Follows,
    Suspect,
    follows_from_replica,
    is_of_replica,
    nothing,
    suspect,
)
from streams.schemas.anomalies import Anomaly
from streams.schemas.incidents import Cause, Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ailment:
    direction: str
    cause: str
    weight: float


_AILMENTS: Final[Mapping[str, _Ailment]] = {
    "rss_bytes": _Ailment(direction="above", cause="memory_leak", weight=0.6),
    # Requests wait because of it, so it weighs more than their waiting.
    "kv_use_ratio": _Ailment(direction="above", cause="kv_exhausted", weight=0.66),
    # Between two crashes it is silent or slow: that is told as what it is.
    "restarts": _Ailment(direction="above", cause="crash_loop", weight=0.96),
    "prefix_hit_ratio": _Ailment(direction="below", cause="prefix_cache", weight=0.6),
}
"""By the feature that shows it."""


def ailing(scene: Scene) -> Iterator[Suspect]:
    for feature, ailment in _AILMENTS.items():
        signs = [
            a
            for a in scene.anomalies
            if a.kind == "engine"
            and feature_of(a) == feature
            and a.direction == ailment.direction
            and family_of(a) is not Family.TELEMETRY
        ]
        replicas = sorted({a.labels.get("replica", "") for a in signs})
        if "" in replicas or len(replicas) > max(1, OF_THE_POOL * len(scene.facts.replicas)):
            subject = Subject(kind="pool", name=scene.pool)
            yield _ill(scene, ailment, subject, signs, nothing)
            continue
        for name in replicas:
            subject = Subject(kind="replica", name=name)
            own = [a for a in signs if is_of_replica(a, name)]
            yield _ill(scene, ailment, subject, own, follows_from_replica(name))


def _ill(
    scene: Scene, ailment: _Ailment, subject: Subject, signs: Sequence[Anomaly], follows: Follows
) -> Suspect:
    worst = max(signs, key=lambda a: (a.peak_score, a.id))
    cause = Cause(
        kind=ailment.cause,
        subject=subject,
        weight=ailment.weight,
        sentence=worst.sentence or f"{worst.feature} is {worst.actual:g} {worst.unit}",
    )
    return suspect(scene, cause, signs, follows)
