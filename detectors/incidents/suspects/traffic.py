"""Clients and traffic as suspects: a flood of refused requests, a surge, too little capacity."""

import math
from collections.abc import Iterator
from typing import Final

from detectors.incidents.facts import FLOODING_RATIO, NOW_HALF_LIFE_S, PoolFacts
from detectors.incidents.scene import CLEAR_SCORE, Family, Scene, family_of
from detectors.incidents.suspects.base import STRAIN, Follows, Suspect, suspect
from detectors.incidents.suspects.slow import slow_replicas
from streams.schemas.anomalies import Anomaly
from streams.schemas.incidents import Cause, Subject

SURGE_RATIO: Final = 1.8
"""How many times the usual valid requests per second are called a surge."""
FAINT_SURGE_RATIO: Final = 1.5
"""The same where an anomaly of demand is clear in itself."""
CLEAR_SURGE_RATIO: Final = 2.0
"""From here on a surge is plain to see without any detector."""
NOW_SPAN_S: Final = 2 * NOW_HALF_LIFE_S / math.log(2)
"""So many seconds of Poisson arrivals scatter as much as their fading mean."""
CHANCE_SPREADS: Final = 3.0
DROP_RATIO: Final = 0.5
"""Share of the usual valid requests per second at which fewer are a drop."""
CLIENT_SHARE: Final = 0.6
"""Share of a pool's refused requests from which one client is named for them."""


def refused_client(scene: Scene) -> Iterator[Suspect]:
    refusals = scene.of(Family.REFUSALS, direction="above")
    for client, share in _refused_shares(scene, refusals):
        proper = [a for a in refusals if a.labels.get("tenant", "") in ("", client)]
        facts = scene.facts.tenants.get(client)
        floods = facts is None or facts.refused_ratio >= FLOODING_RATIO
        if not proper or share < CLIENT_SHARE or not floods:
            continue
        per_s = facts.refused.now if facts else max(a.actual for a in proper)
        cause = Cause(
            kind="client_errors",
            subject=Subject(kind="client", name=client),
            weight=0.5 + 0.45 * share,
            sentence=f"{client} sent {share:.0%} of the refused requests, {per_s:.1f} a second",
        )
        yield suspect(scene, cause, proper, _follows_from_client(scene, client))


def _refused_shares(scene: Scene, refusals: list[Anomaly]) -> list[tuple[str, float]]:
    """(client, share of the refused requests), from the windows or else from the anomalies."""
    refused = {name: t.refused.now for name, t in scene.facts.tenants.items()}
    if not any(refused.values()):
        refused = {a.labels.get("tenant", ""): a.actual for a in refusals}
    total = sum(refused.values())
    return sorted((n, r / total) for n, r in refused.items() if n and total > 0)


def _follows_from_client(scene: Scene, client: str) -> Follows:
    apart = slow_replicas(scene)

    def follows(anomaly: Anomaly) -> bool:
        tenant, family = anomaly.labels.get("tenant", ""), family_of(anomaly)
        if anomaly.labels.get("replica", "") in apart:
            return False
        if tenant == client or family in STRAIN:
            return True
        return not tenant and family in {Family.REFUSALS, Family.DEMAND}

    return follows


def surge(scene: Scene) -> Iterator[Suspect]:
    facts = scene.facts
    flooding = {n for n, t in facts.tenants.items() if t.refused_ratio >= FLOODING_RATIO}
    demand = [
        a
        for a in scene.of(Family.DEMAND, direction="above")
        if a.labels.get("tenant", "") not in flooding
    ]
    past = facts.valid_past
    # Without windows the word of the anomaly must do, and strain alone is no surge.
    ratio = facts.valid_now / past if past > 0 else SURGE_RATIO
    strain = scene.of(Family.BACKLOG, Family.STALLS, direction="above") if past > 0 else []
    clear = any(a.peak_score >= CLEAR_SCORE for a in demand)
    least = FAINT_SURGE_RATIO if clear else SURGE_RATIO
    if ratio < least or not (demand or strain) or _is_chance(facts):
        return
    cause = Cause(
        kind="traffic_surge",
        subject=Subject(kind="pool", name=scene.pool),
        weight=(0.7 if demand else 0.58) + 0.15 * min((ratio - 1) / 2, 1.0),
        sentence=_surge_sentence(scene, demand),
    )
    yield suspect(
        scene,
        cause,
        demand + strain,
        _follows_from_surge(scene),
        corroborated=past > 0 and ratio >= CLEAR_SURGE_RATIO,
    )


def _is_chance(facts: PoolFacts) -> bool:
    """Whether so many more come now and then anyway, as requests of sparse pools are few."""
    spread = math.sqrt(facts.valid_past / NOW_SPAN_S)
    return 0 < facts.valid_now - facts.valid_past < CHANCE_SPREADS * spread


def drop(scene: Scene) -> Iterator[Suspect]:
    """Much less arrives than usual: whatever lies before us lets nobody through."""
    fewer = [a for a in scene.of(Family.DEMAND, direction="below") if not a.labels.get("tenant")]
    facts = scene.facts
    if not fewer or facts.valid_now > DROP_RATIO * facts.valid_past > 0:
        return
    cause = Cause(
        kind="traffic_drop",
        subject=Subject(kind="pool", name=scene.pool),
        weight=0.6,
        sentence=f"{facts.valid_now:.1f} requests/s arrive at {scene.pool}, "
        f"usually {facts.valid_past:.1f}",
    )
    ids = {a.id for a in scene.of(Family.WORK, Family.BACKLOG, direction="below")}
    yield suspect(scene, cause, fewer, lambda a: a.id in ids, corroborated=True)


def _follows_from_surge(scene: Scene) -> Follows:
    apart = slow_replicas(scene)

    def follows(anomaly: Anomaly) -> bool:
        own_fault = anomaly.labels.get("replica", "") in apart
        return not own_fault and family_of(anomaly) not in {Family.AVAILABILITY, Family.HARDWARE}

    return follows


def _surge_sentence(scene: Scene, demand: list[Anomaly]) -> str:
    facts = scene.facts
    if facts.valid_past > 0:
        said = (
            f"{facts.valid_now:.1f} requests/s arrive at {scene.pool}, "
            f"usually {facts.valid_past:.1f}"
        )
    else:
        said = demand[0].sentence or f"more arrives at {scene.pool} than expected"
    return f"{said}; {facts.queued.now:.0f} wait" if facts.queued.now >= 1 else said


def capacity_short(scene: Scene) -> Iterator[Suspect]:
    strain = scene.of(Family.BACKLOG, Family.STALLS, direction="above")
    stalling = {a.labels.get("replica") for a in strain if family_of(a) is Family.STALLS}
    # One replica that stalls is a matter of that replica.
    if len(stalling) < 2 and not any(family_of(a) is Family.BACKLOG for a in strain):
        return
    status = scene.status
    short = status and (status.ready < status.desired or status.desired >= status.max_replicas)
    said = f"{scene.facts.queued.now:.0f} requests wait at {scene.pool}, though no surge arrives"
    if status:
        said += (
            f"; {status.ready} of {status.desired} replicas ready (at most {status.max_replicas})"
        )
    cause = Cause(
        kind="capacity_short",
        subject=Subject(kind="pool", name=scene.pool),
        weight=0.62 if short else 0.55,
        sentence=said,
    )
    yield suspect(scene, cause, strain, _follows_from_shortage)


def _follows_from_shortage(anomaly: Anomaly) -> bool:
    return family_of(anomaly) in STRAIN | {Family.REFUSALS, Family.ERRORS}
