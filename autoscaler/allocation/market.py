"""Situations of all pools of a cluster in, their decisions out, within the GPUs there are."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from autoscaler.allocation.allocate import allocate
from autoscaler.allocation.claim import Claim, Grant, Stock
from autoscaler.allocation.doubt import Doubt
from autoscaler.allocation.in_step import acts, as_legs, grants_in_step
from autoscaler.allocation.mates import introduced, why_fewer, within_hour
from autoscaler.allocation.spares import spares
from autoscaler.allocation.terms import terms_of
from autoscaler.allocation.worth import worth
from autoscaler.decide import decide
from autoscaler.guards import GUARDS, allocated
from autoscaler.legs import mates_of
from autoscaler.settings import ScalingSettings
from autoscaler.situation import Allotment, Situation
from model_backend.settings import PoolSettings
from streams.schemas.scaling import Decision

_AFTERWARDS: Final = GUARDS[GUARDS.index(allocated) + 1 :]


class Market:
    """Asks what each pool would do alone, and decides again for those that cannot have it.

    Pools whose hardware is in no stock have what they ask for. Without stocks, that is all pools,
    but for prefill and decode of a service, which grow together or not at all.
    """

    def __init__(
        self, scaling: ScalingSettings, pools: Sequence[PoolSettings], cluster: str
    ) -> None:
        self._terms, self._stocks = terms_of(scaling, pools, cluster)
        here = {(pool.cluster, pool.name): pool for pool in pools if pool.cluster == cluster}
        mates = mates_of(here.values())
        self._mates = {name: here[mate] for (_, name), mate in mates.items()}
        self.doubts = {pool: Doubt() for pool in self._terms}

    def decide(self, situations: Sequence[Situation]) -> list[Decision]:
        situations = introduced(situations, self._mates)
        alone = {situation.pool: decide(situation) for situation in situations}
        allotments = within_hour(situations, alone)
        sharing = [situation for situation in situations if situation.pool in self._terms]
        if sharing:
            asked = {pool: given.replicas for pool, given in allotments.items()}
            allotments |= self._allotments(sharing, alone, asked)
        return [
            decide(replace(situation, allotment=allotments[situation.pool]))
            if situation.pool in allotments
            else alone[situation.pool]
            for situation in situations
        ]

    def _allotments(
        self,
        sharing: Sequence[Situation],
        alone: Mapping[str, Decision],
        within: Mapping[str, int],
    ) -> dict[str, Allotment]:
        """Of those pools that are given other than they ask for, or may ask for ``within``."""
        if not any(acts(situation) for situation in sharing):
            # Nobody moves yet: say what would be, if all did.
            sharing = [replace(one, ladder="full", dry_run=False) for one in sharing]
            alone = {situation.pool: decide(situation) for situation in sharing}
        wished = as_legs(
            [self._claim(situation, alone[situation.pool], within) for situation in sharing],
            {situation.pool: situation for situation in sharing},
            alone,
        )
        claims, grants = grants_in_step(wished, self._stocks)
        wider = [
            _with_slack(claim, situation)
            if situation.deadline_s
            else _with_spares(claim, grants[claim.pool], situation, alone[claim.pool])
            for claim, situation in zip(claims, sharing, strict=True)
        ]
        if wider != claims:
            grants = allocate(wider, self._stocks)
        used = _used(claims, grants)
        given = {
            claim.pool: _allotment(claim, alone[claim.pool], grants, used, situation)
            for claim, situation in zip(claims, sharing, strict=True)
            if grants[claim.pool].replicas != within.get(claim.pool)
        }
        return {pool: allotment for pool, allotment in given.items() if allotment is not None}

    def _claim(self, situation: Situation, decision: Decision, within: Mapping[str, int]) -> Claim:
        terms, doubt = self._terms[situation.pool], self.doubts[situation.pool]
        doubt.see(situation)
        return replace(
            terms,
            replicas=min(decision.desired, within.get(situation.pool, decision.desired)),
            kept=_kept(decision, situation),
            worth=worth(situation, decision.desired),
            last=doubt.of(decision.desired, situation.now_us),
        )


def _kept(decision: Decision, situation: Situation) -> int:
    """What the guards after the allocation would keep, even if nothing were granted."""
    decision = decision.but(desired=0)
    for guard in _AFTERWARDS:
        decision = guard(decision, situation)
    return decision.desired


def _with_spares(claim: Claim, grant: Grant, situation: Situation, decision: Decision) -> Claim:
    """With as many more as those on spot GPUs call for, if nothing keeps the pool from growing."""
    risky = max((stock.loss_per_hour for stock in grant.on if stock.spot), default=0.0)
    if not risky or grant.replicas < claim.replicas or claim.replicas < decision.proposed:
        return claim
    more = spares(
        grant.on_spot,
        loss_per_hour=risky,
        horizon_s=situation.horizon_s,
        risk=situation.miss_budget_ratio,
    )
    # From what is needed, not from what stands: else spares would call for spares.
    extra = min(max(0, decision.proposed + more - claim.replicas), situation.high - claim.replicas)
    return replace(claim, replicas=claim.replicas + extra, last=claim.last + extra)


def _with_slack(claim: Claim, situation: Situation) -> Claim:
    """With as many more, after all others, as it would have if its jobs could not wait."""
    held = situation.in_flight + situation.queued
    most = decide(replace(situation, urgent=max(held, situation.urgent))).desired
    extra = max(0, most - claim.replicas)
    return replace(claim, replicas=claim.replicas + extra, last=claim.last + extra)


def _used(claims: Sequence[Claim], grants: Mapping[str, Grant]) -> Counter[Stock]:
    used = Counter[Stock]()
    for claim in claims:
        for stock, replicas in grants[claim.pool].on.items():
            used[stock] += replicas * claim.gpus
    return used


def _allotment(
    claim: Claim,
    decision: Decision,
    grants: Mapping[str, Grant],
    used: Mapping[Stock, int],
    situation: Situation,
) -> Allotment | None:
    grant, asked = grants[claim.pool], decision.desired
    if grant.replicas == asked:
        return None
    if grant.replicas > claim.replicas and situation.deadline_s:
        why = f"nobody else needs the GPUs now, and {situation.queued:.3g} jobs wait"
    elif grant.replicas > claim.replicas:
        why = f"{grant.on_spot} of them are on spot GPUs, of which some may be lost any time"
    elif beyond := why_fewer(claim, grants):
        why = beyond
    else:
        why = _shortage(claim, sum(used[s] for s in claim.stocks) - grant.replicas * claim.gpus)
    return Allotment(asked=asked, replicas=grant.replicas, why=why)


def _shortage(claim: Claim, others: int) -> str:
    each = "1 GPU" if claim.gpus == 1 else f"{claim.gpus} GPUs"
    names = " and ".join(stock.name for stock in claim.stocks)
    total = sum(stock.gpus for stock in claim.stocks)
    doubtful = f", and {claim.last} of them do not start or have not yet" if claim.last else ""
    return (
        f"{claim.replicas} of {each} each are asked for at "
        f"{'deferrable ' if claim.deferrable else ''}priority {claim.priority}{doubtful}, "
        f"and other pools have {others} of the {total} GPUs of {names}"
    )
