"""Situations of mates in, what each knows of the other and what an hour's GPUs leave them out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from autoscaler.allocation.claim import Claim, Grant, Stock
from autoscaler.allocation.in_step import acts, as_legs, grants_in_step
from autoscaler.allocation.worth import worth
from autoscaler.decide import decide
from autoscaler.mate import Mate
from autoscaler.plan import carries, rate_per_s
from autoscaler.situation import Allotment, Situation
from model_backend.settings import PoolSettings
from streams.schemas.scaling import Decision


def introduced(
    situations: Sequence[Situation], mates: Mapping[str, PoolSettings]
) -> list[Situation]:
    """Mates know each other's pace, and spend one budget of GPUs an hour."""
    by_name = {situation.pool: situation for situation in situations}
    return [
        _knowing(situation, by_name[mate.name], mate.role)
        if (mate := mates.get(situation.pool)) and mate.name in by_name
        else situation
        for situation in situations
    ]


def _knowing(situation: Situation, other: Situation, role: str) -> Situation:
    rate = rate_per_s(other)
    reading = min(other.in_flight + other.queued, other.standing * carries(other).slots)
    sends = reading / other.service_s if role == "prefill" and rate else 0.0
    mate = Mate(pool=other.pool, role=role, takes_per_s=other.standing * rate, sends_per_s=sends)
    ordered = situation.gpus_ordered + other.gpus_ordered
    return replace(situation, mate=mate, gpus_ordered=ordered)


def within_hour(
    situations: Sequence[Situation], alone: Mapping[str, Decision]
) -> dict[str, Allotment]:
    """Of mates that get fewer than they ask for, by this hour's GPUs or by each other."""
    by_name = {situation.pool: situation for situation in situations}
    found: dict[str, Allotment] = {}
    for situation in situations:
        if situation.mate and situation.pool < situation.mate.pool:
            pair = situation, by_name[situation.mate.pool]
            found |= _of_pair(pair, {one.pool: alone[one.pool] for one in pair})
    return found


def _of_pair(pair: Sequence[Situation], decisions: Mapping[str, Decision]) -> dict[str, Allotment]:
    if not any(map(acts, pair)):  # nobody moves yet: say what would be, if both did
        pair = [replace(one, ladder="full", dry_run=False) for one in pair]
        decisions = {one.pool: decide(one) for one in pair}
    hour = _hour(pair)
    claims = as_legs(
        [_claim(one, decisions[one.pool], hour) for one in pair],
        {one.pool: one for one in pair},
        decisions,
    )
    cut, grants = grants_in_step(claims, [hour])
    given = {claim.pool: claim for claim in cut}
    return {
        claim.pool: Allotment(
            asked=claim.replicas,
            replicas=grants[claim.pool].replicas,
            why=why_fewer(given[claim.pool], grants) or _spent(claim, hour, pair),
        )
        for claim in claims
        if grants[claim.pool].replicas < claim.replicas
    }


def _hour(pair: Sequence[Situation]) -> Stock:
    """The GPUs that stand, and those that may still be ordered."""
    left = max(0, pair[0].gpus_per_hour - pair[0].gpus_ordered)
    stand = sum(one.standing * one.gpus_per_replica for one in pair)
    return Stock(name="hour", gpus=stand + left, price=1.0)


def _claim(situation: Situation, decision: Decision, hour: Stock) -> Claim:
    return Claim(
        pool=situation.pool,
        replicas=decision.desired,
        gpus=situation.gpus_per_replica,
        stocks=(hour,),
        kept=situation.standing,
        worth=worth(situation, decision.desired),
        last=min(decision.desired, situation.overdue),
    )


def why_fewer(claim: Claim, grants: Mapping[str, Grant]) -> str:
    """Why more would be worth nothing, if the mate is what keeps them back; else empty."""
    leg = claim.leg
    if leg is None or grants[claim.pool].replicas < claim.replicas - claim.last:
        return ""
    return (
        f"{leg.mate} cannot have more than {grants[leg.mate].replicas} now, and as many requests "
        f"take no more than {claim.replicas - claim.last} here"
    )


def _spent(claim: Claim, hour: Stock, pair: Sequence[Situation]) -> str:
    left = hour.gpus - sum(one.standing * one.gpus_per_replica for one in pair)
    other = next(one.pool for one in pair if one.pool != claim.pool)
    return f"{left} GPUs may still be ordered within this hour, and {other} needs them as well"
