"""Replicas that answer quickly and wrongly: what they say, not how fast, gives them away."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from detectors.incidents.scene import Family, Scene, family_of, feature_of
from detectors.incidents.suspects.base import (
    OF_THE_POOL,
    Follows,
    Suspect,
    is_of_replica,
    suspect,
)
from streams.schemas.anomalies import Anomaly
from streams.schemas.incidents import Cause, Subject


@dataclass(frozen=True, slots=True)
class _Sign:
    """said: with ``who``, what it does now and what is usual."""

    cause: str
    weight: float
    said: str


_SIGNS: Final[Mapping[str, _Sign]] = {
    "corrupted": _Sign(
        "replica_wrong", 0.94, "{who} computes NaN: {now} a second of its requests are garbage"
    ),
    "golden_ratio": _Sign(
        "replica_wrong", 0.9, "{who} answers {share:.0%} of the golden prompts rightly"
    ),
    "repeated": _Sign(
        "replica_wrong",
        0.89,
        "{who} says the same again and again: in {now} KiB of answers a second, its fellows would "
        "in {usual}",
    ),
    "repeated_ratio": _Sign(
        "replica_wrong", 0.88, "{who} says the same again and again in {share:.0%} of its answers"
    ),
    "empty": _Sign(
        "replica_wrong",
        0.89,
        "{who} gives {now} answers a second that show no text, its fellows would give {usual}",
    ),
    "empty_ratio": _Sign("replica_wrong", 0.88, "{share:.0%} of the answers of {who} show no text"),
    "truncated": _Sign(
        "replica_differs",
        0.7,
        "{who} cuts {now} answers a second at their limit of tokens, its fellows would cut {usual}",
    ),
    "answer_tokens": _Sign(
        "replica_differs",
        0.68,
        "{who} answers the same clients with {now} tokens a second, its fellows would with {usual}",
    ),
}
"""By the feature that shows it. Lengths alone are no proof: whoever gets other questions answers
otherwise."""

MORE: Final = 0.02


def wrong_answers(scene: Scene) -> Iterator[Suspect]:
    """Of a replica, or of the pool where it befalls most: then it is the model, not a GPU."""
    for kind in dict.fromkeys(sign.cause for sign in _SIGNS.values()):
        signs = [a for a in scene.of(Family.ANSWERS) if _is_sign(a, kind)]
        replicas = sorted({a.labels["replica"] for a in signs})
        if len(replicas) > max(1, OF_THE_POOL * len(scene.facts.replicas)):
            subject = Subject(kind="pool", name=scene.pool)
            yield _wrong(scene, kind, subject, signs, lambda a: family_of(a) is Family.ANSWERS)
            continue
        for name in replicas:
            own = [a for a in signs if is_of_replica(a, name)]
            yield _wrong(scene, kind, Subject(kind="replica", name=name), own, _follows(name))


def _is_sign(anomaly: Anomaly, cause: str) -> bool:
    sign = _SIGNS.get(feature_of(anomaly))
    return sign is not None and sign.cause == cause and "replica" in anomaly.labels


def _wrong(
    scene: Scene, kind: str, subject: Subject, signs: Sequence[Anomaly], follows: Follows
) -> Suspect:
    worst = max(signs, key=lambda a: (_SIGNS[feature_of(a)].weight, a.peak_score, a.id))
    sign = _SIGNS[feature_of(worst)]
    who = subject.name if subject.kind == "replica" else worst.labels["replica"]
    said = sign.said.format(
        who=who, share=worst.actual, now=f"{worst.actual:.2g}", usual=f"{worst.expected:.2g}"
    )
    weight = sign.weight
    if subject.kind == "pool":
        said += f", and {len({a.labels['replica'] for a in signs}) - 1} others do alike"
        weight += MORE  # Whoever was the first is no longer to blame.
    cause = Cause(kind=kind, subject=subject, weight=weight, sentence=said)
    return suspect(scene, cause, signs, follows)


def _follows(replica: str) -> Follows:
    """Whoever answers otherwise has other work to do for it."""

    def follows(anomaly: Anomaly) -> bool:
        families = {Family.ANSWERS, Family.WORK}
        return is_of_replica(anomaly, replica) and family_of(anomaly) in families

    return follows
