"""What a suspect is: one possible cause, and which anomalies speak for it or follow from it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from detectors.incidents.scene import Family, Scene, family_of
from streams.schemas.anomalies import Anomaly
from streams.schemas.incidents import Cause, Subject

STRAIN: Final = frozenset({Family.BACKLOG, Family.LATENCY, Family.STALLS, Family.WORK})
"""What shows wherever there is more to do than can be done, whatever the reason."""
OF_THE_POOL: Final = 0.5
"""Share of a pool's replicas from which on it is no matter of single ones."""

Follows = Callable[[Anomaly], bool]
"""Whether an anomaly follows from a cause, although it does not speak for it by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """One possible cause.

    proper: ids of anomalies that speak for it; without any of them left unexplained it falls.
    explains: ids of all that follow from it, the proper ones among them.
    certain: a reported fact (a process died): needs no anomaly.
    corroborated: what the windows themselves show bears it out clearly: a second witness.
    """

    cause: Cause
    proper: frozenset[str]
    explains: frozenset[str]
    certain: bool = False
    corroborated: bool = False


def gpu_of(anomaly: Anomaly) -> Subject:
    """The GPU that an anomaly of one is about."""
    node, uuid = anomaly.labels.get("node", ""), anomaly.labels.get("gpu_uuid", "")
    return Subject(kind="gpu", name=f"{node}/{uuid}" if node else uuid)


def nothing(_: Anomaly) -> bool:
    return False


def suspect(  # noqa: PLR0913  # two facts about the cause, each named
    scene: Scene,
    cause: Cause,
    proper: Iterable[Anomaly],
    follows: Follows = nothing,
    *,
    certain: bool = False,
    corroborated: bool = False,
) -> Suspect:
    """The cause with all that it explains of the scene."""
    own = frozenset(anomaly.id for anomaly in proper)
    explained = own | {anomaly.id for anomaly in scene.anomalies if follows(anomaly)}
    cause = cause.but(weight=round(cause.weight, 3), anomalies=tuple(sorted(explained)))
    return Suspect(
        cause=cause, proper=own, explains=explained, certain=certain, corroborated=corroborated
    )


def is_of_replica(anomaly: Anomaly, replica: str) -> bool:
    return anomaly.labels.get("replica", "") == replica


def follows_from_replica(replica: str) -> Follows:
    """All of the replica itself; of pool and fellows what follows when they do its work too."""

    def follows(anomaly: Anomaly) -> bool:
        family = family_of(anomaly)
        if is_of_replica(anomaly, replica):
            return True
        if anomaly.labels.get("replica"):
            return family in STRAIN
        return family in STRAIN | {Family.ERRORS} or (
            family is Family.REFUSALS and not anomaly.labels.get("tenant")
        )

    return follows
