"""Claims of pools of which two are worth nothing alone in, grants that keep the two in step out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from autoscaler.allocation.allocate import allocate
from autoscaler.allocation.claim import Claim, Grant, Leg, Stock
from autoscaler.plan import rate_per_s, whole
from autoscaler.situation import Situation
from streams.schemas.scaling import Decision


def grants_in_step(
    claims: Sequence[Claim], stocks: Sequence[Stock]
) -> tuple[Sequence[Claim], dict[str, Grant]]:
    """What each is given, and the claims as they were cut: none grows beyond what its mate takes.

    Of two mates, the one that takes fewer requests a second comes first (``allocate``). What is
    then beyond the other's reach is not ordered, or given up last where it stands and nobody else
    asks. Cutting one may free what the other needs, so all are asked again; claims only shrink.
    """
    while True:
        grants = allocate(claims, stocks)
        by_name = {claim.pool: claim for claim in claims}
        cut = [
            _cut(claim, by_name[claim.leg.mate], grants[claim.leg.mate]) if claim.leg else claim
            for claim in claims
        ]
        if cut == claims:
            return claims, grants
        claims = cut


def _cut(claim: Claim, mate: Claim, grant: Grant) -> Claim:
    leg, its = claim.leg, mate.leg
    if leg is None or its is None:
        return claim
    certain = min(grant.replicas, mate.replicas - mate.last)
    if certain >= its.called:
        return claim
    useful = max(claim.kept, whole(certain * its.rate_per_s / leg.rate_per_s))
    useful = min(claim.replicas, useful)
    replicas = max(useful, min(claim.replicas, leg.standing))
    still_last = max(0, claim.last - (claim.replicas - replicas))
    return replace(claim, replicas=replicas, last=max(replicas - useful, still_last))


def as_legs(
    claims: Sequence[Claim],
    situations: Mapping[str, Situation],
    decisions: Mapping[str, Decision],
) -> list[Claim]:
    """The same claims; those of mates know of each other and count for what they do together.

    Alone stand those whose pace is not known yet, whose mate is not here, or of whom only one acts.
    """
    by_name = {claim.pool: claim for claim in claims}
    legs = {
        claim.pool: _with_leg(claim, by_name[mate.pool], situations, decisions)
        for claim in claims
        if (mate := situations[claim.pool].mate) and mate.pool in by_name
    }
    return [legs.get(claim.pool, claim) for claim in claims]


def _with_leg(
    claim: Claim,
    mate: Claim,
    situations: Mapping[str, Situation],
    decisions: Mapping[str, Decision],
) -> Claim:
    situation = situations[claim.pool]
    rate, its_rate = rate_per_s(situation), rate_per_s(situations[mate.pool])
    if not rate or not its_rate or acts(situation) != acts(situations[mate.pool]):
        return claim
    leg = Leg(
        mate=mate.pool,
        rate_per_s=rate,
        standing=situation.standing,
        called=decisions[claim.pool].proposed,
        together=tuple(
            _together(claim, nth, mate, whole_below(nth * rate / its_rate))
            for nth in range(claim.replicas)
        ),
    )
    return replace(claim, leg=leg, priority=max(claim.priority, mate.priority))


def _together(claim: Claim, nth: int, mate: Claim, its_nth: int) -> float:
    """Misses avoided per money by growing both: each request costs its share of both.

    What a replica costs for each miss that it would avoid, were it alone, adds up.
    """
    own, its = _worth(claim, nth), _worth(mate, its_nth)
    return 1 / (claim.cost / own + mate.cost / its) if own > 0 and its > 0 else 0.0


def _worth(claim: Claim, nth: int) -> float:
    return claim.worth[nth] if nth < len(claim.worth) else 0.0


def whole_below(replicas: float) -> int:
    """Down to whole replicas, but not for what is only a rounding error."""
    return int(replicas + 1e-9)


def acts(situation: Situation) -> bool:
    return situation.ladder in {"floor", "full"} and not situation.dry_run
