"""Clients as suspects that give up and send again: what they bring about keeps itself alive."""

from collections.abc import Iterator
from typing import Final

from detectors.incidents.scene import Family, Scene, family_of
from detectors.incidents.suspects.base import STRAIN, Suspect, suspect
from streams.schemas.anomalies import Anomaly
from streams.schemas.incidents import Cause, Subject

GIVEN_UP_RATIO: Final = 0.4
"""Share of the requests that are given up from which on those that arrive are the same again,"""
MORE_RATIO: Final = 1.3
"""and how many times the usual must arrive."""


def retry_storm(scene: Scene) -> Iterator[Suspect]:
    """Weightier than a replica that is slow: in a storm all are, and one of them the most."""
    facts = scene.facts
    given_up_per_s = sum(tenant.cancelled.now for tenant in facts.tenants.values())
    strain = [a for a in scene.anomalies if _shows(a)]
    enough = given_up_per_s >= GIVEN_UP_RATIO * facts.valid_now > 0
    if not strain or not enough or facts.valid_now < MORE_RATIO * facts.valid_past:
        return
    cause = Cause(
        kind="retry_storm",
        subject=Subject(kind="pool", name=scene.pool),
        weight=0.9,
        sentence=f"clients of {scene.pool} give up {given_up_per_s:.1f} requests/s and send again: "
        f"{facts.valid_now:.1f} arrive, usually {facts.valid_past:.1f}",
    )
    yield suspect(scene, cause, strain, _shows, corroborated=True)


def _shows(anomaly: Anomaly) -> bool:
    return anomaly.direction == "above" and family_of(anomaly) in {
        *STRAIN,
        Family.DEMAND,
        Family.ERRORS,
    }
