"""How many replicas a situation calls for, before any guard has its say."""

import math
from typing import Final

from autoscaler.situation import Situation, inputs_of
from streams.schemas.scaling import Decision

MAX_PATIENCE: Final = 2.0
"""However patient the SLO, backlog beyond twice the slots calls for more of them."""


def propose(situation: Situation) -> Decision:
    """The smallest number of replicas that carries the forecast and the backlog.

    * forecast: its upper quantile at the lead time must fit into ``target_ratio`` of the room,
    * backlog: what is in flight and queued now must fit into the room,

    where room is the slots, and what they can still take within the longest wait the SLO allows.
    """
    ahead, present = for_forecast(situation, situation.upper), for_backlog(situation)
    replicas = max(ahead, present)
    return Decision(
        id=f"{situation.cluster}/{situation.pool}@{situation.now_us}",
        at_us=situation.now_us,
        cluster=situation.cluster,
        pool=situation.pool,
        current=situation.ready + situation.starting,
        desired=replicas,
        proposed=replicas,
        reason=_reason(situation, ahead, present),
        ladder=situation.ladder,
        dry_run=situation.dry_run,
        forecast=situation.forecast,
        demand=situation.demand,
        capacity_per_replica=float(situation.slots),
        capacity_identified=situation.identified,
        missed=situation.missed,
        inputs=inputs_of(situation),
        inputs_through_us=situation.now_us,
    )


def for_forecast(situation: Situation, slots: float) -> int:
    """Replicas whose room holds so many slots of demand at ``target_ratio``."""
    return _whole(slots / (room(situation) * situation.target_ratio))


def for_backlog(situation: Situation) -> int:
    """Replicas whose room holds what is there."""
    return _whole((situation.in_flight + situation.queued) / room(situation))


def room(situation: Situation) -> float:
    """Requests that a replica can be asked for at once without a wait beyond the SLO.

    >>> usual = Situation(pool="codex", now_us=0, standing=1, ready=1, low=1, high=3, slots=4,
    ...                   demand=1, upper=1, service_s=10, slo_queue_s=1)
    >>> room(usual)
    4.4
    """
    if situation.service_s <= 0:
        return float(situation.slots)
    patience = min(MAX_PATIENCE, 1 + situation.slo_queue_s / situation.service_s)
    return situation.slots * patience


def _whole(replicas: float) -> int:
    return max(0, math.ceil(replicas - 1e-9))


def _reason(situation: Situation, ahead: int, present: int) -> str:
    usable = room(situation) * situation.target_ratio
    held = f"{situation.in_flight:.3g} in flight and {situation.queued:.3g} queued"
    if present > ahead:
        return (
            f"{held} need {_replicas(present)} of {situation.slots} slots; "
            f"the forecast of {situation.upper:.3g} slots alone would need {ahead}"
        )
    forecast = situation.forecast
    quantile = f"p{forecast.quantiles[-1].q * 100:.0f}" if forecast else "the present demand"
    horizon = f" in {forecast.horizon_s:.3g} s" if forecast else ""
    return (
        f"{quantile} of demand{horizon} is {situation.upper:.3g} slots at {usable:.3g} per "
        f"replica: {_replicas(ahead)}; now {situation.demand:.3g} offered, {held}"
    )


def _replicas(n: int) -> str:
    return f"{n} replica" if n == 1 else f"{n} replicas"
