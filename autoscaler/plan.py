"""How many replicas a situation calls for, before any guard has its say."""

import math
from typing import Final

from autoscaler.binding import Binding, binding
from autoscaler.need import patience
from autoscaler.situation import Situation, inputs_of, names_of
from streams.schemas.scaling import Decision

OVERDUE_S: Final = 30.0
OVERDUE_TIMES: Final = 3.0
MOST_KEPT: Final = 1.4
"""So many times the demand that is planned for: what may idle to save a start has a bound."""
LEAST_STEP: Final = 0.1
"""Smaller steps would save little and be taken back soon."""
NOBODY: Final = 0.5
"""Of what one request asks for: forecasts fade towards 0 and never get there."""


def propose(situation: Situation) -> Decision:
    """What stands, within bounds: enough for forecast and backlog, and not far more.

    * forecast: the slots must hold the highest demand until a replica ordered now is ready, at the
      quantile that spends the budget of misses and no more,
    * backlog: the slots, and what they can still take within the longest wait that the SLO allows,
      must hold what is in flight and queued now, also where only a glimpse of it can be had
      because windows stall: the reactive floor,
    * deadlines: where jobs have one, they wait, and neither of the two counts, only that by each
      deadline the jobs due have had room, the earliest first.

    Replicas that stand are kept up to a higher quantile, since the next surge would bring them
    back (lazy capacity provisioning, Lin et al. 2011), and a forecast that calls for less than a
    tenth more waits.

    Of a replica's slots, as many count as its tightest face lets it use at once.
    """
    ahead, present = for_forecast(situation), for_backlog(situation)
    replicas = _sized(situation, ahead, present)
    return Decision(
        id=f"{situation.cluster}/{situation.pool}@{situation.now_us}",
        at_us=situation.now_us,
        cluster=situation.cluster,
        pool=situation.pool,
        current=situation.ready + situation.starting,
        desired=replicas,
        proposed=replicas,
        reason=_reason(situation, ahead, present, replicas),
        ladder=situation.ladder,
        dry_run=situation.dry_run,
        forecast=situation.forecast,
        demand=situation.demand,
        capacity_per_replica=carries(situation).slots,
        capacity_identified=situation.identified,
        missed=situation.missed,
        unattainable=_overdue(situation),
        inputs=inputs_of(situation),
        names=names_of(situation),
        inputs_through_us=situation.now_us,
    )


def for_forecast(situation: Situation, less: float = 0.0) -> int:
    """Replicas that hold the forecast, less some slots of demand; 0 if not even one request comes.

    Where jobs wait, those that end them in time. 0 while the serving time is unknown: then demand
    in slots is unknown as well.
    """
    if situation.deadline_s:
        return whole(situation.urgent / carries(situation).slots)
    near = _hold(situation, situation.upper - less)
    return max(near, beyond_sleepers(situation, less))


def beyond_sleepers(situation: Situation, less: float = 0.0) -> int:
    """Replicas that cannot sleep, since what may come before one is started takes more than wake.

    As long as all there are, asleep or not, are enough, so many sleep as may. If they are not, all
    are ordered; the driver wakes those asleep and starts the rest.
    """
    if not situation.max_asleep:
        return 0
    needed = _hold(situation, situation.upper_far - less)
    if needed > situation.standing + situation.asleep:
        return needed
    return max(0, needed - situation.max_asleep)


def _hold(situation: Situation, upper: float) -> int:
    if situation.service_s <= 0 or upper < NOBODY * _alone(situation):
        return 0
    return whole(upper / carries(situation).slots)


def _alone(situation: Situation) -> float:
    """The highest demand where a single request comes, as ``Need`` counts it."""
    within_s = min(1.0, situation.service_s)
    return within_s / patience(situation.service_s, situation.slo_queue_s)


def _sized(situation: Situation, ahead: int, present: int) -> int:
    standing = situation.standing
    if present <= standing < ahead and ahead - standing <= LEAST_STEP * standing:
        return standing
    return max(ahead, present, min(standing, for_keeping(situation)))


def for_keeping(situation: Situation) -> int:
    """Replicas up to which those that stand are kept: of what they serve, the nearest number."""
    if situation.deadline_s or situation.service_s <= 0:
        return 0
    return round(min(situation.kept, MOST_KEPT * situation.upper) / carries(situation).slots)


def for_backlog(situation: Situation) -> int:
    """Replicas whose room holds what is there: the floor that also stands while windows stall.

    What was glimpsed since the last final window may raise it and never lowers it.
    """
    if situation.deadline_s:
        return 0
    held = max(situation.in_flight + situation.queued, situation.glimpsed)
    return max(whole(held / room(situation)), whole(coming(situation) / carries(situation).slots))


def coming(situation: Situation) -> float:
    """Slots that those who have their prompt read now will fill, while the mate reads at its pace.

    So decode follows prefill's throughput by the length of answers, before they are there.
    """
    return situation.mate.sends_per_s * situation.service_s if situation.mate else 0.0


def room(situation: Situation) -> float:
    """Requests that a replica can be asked for at once without a wait beyond the SLO.

    >>> usual = Situation(pool="codex", now_us=0, standing=1, ready=1, low=1, high=3, slots=4,
    ...                   demand=1, upper=1, service_s=10, slo_queue_s=1)
    >>> room(usual)
    4.4
    """
    slots = carries(situation).slots
    if situation.service_s <= 0:
        return slots
    return slots * patience(situation.service_s, situation.slo_queue_s)


def carries(situation: Situation) -> Binding:
    """What a replica runs out of first, and the slots it is enough for."""
    return binding(
        situation.region, situation.mix, slots=situation.slots, service_s=situation.service_s
    )


def rate_per_s(situation: Situation) -> float:
    """Requests a second that one replica takes; 0 while the serving time is not known."""
    known = situation.service_s > 0
    return carries(situation).slots / situation.service_s if known else 0.0


def _overdue(situation: Situation) -> str:
    """What to say of a replica that should have been ready long ago; empty if none."""
    if situation.pending_s <= overdue_after_s(situation.lead_s):
        return ""
    return (
        f"a replica is starting for {situation.pending_s:.0f} s, {situation.lead_s:.0f} s are usual"
    )


def overdue_after_s(lead_s: float) -> float:
    """A replica that is not ready so long after its order is no longer counted on."""
    return max(OVERDUE_S, OVERDUE_TIMES * lead_s)


def whole(replicas: float) -> int:
    """Up to whole replicas, but not for what is only a rounding error.

    >>> whole(7.0000000001), whole(7.01)
    (7, 8)
    """
    return max(0, math.ceil(replicas - 1e-9))


def _reason(situation: Situation, ahead: int, present: int, replicas: int) -> str:
    held = f"{situation.in_flight:.3g} in flight and {situation.queued:.3g} queued"
    if situation.glimpsed > situation.in_flight + situation.queued:
        held = f"{situation.glimpsed:.3g} in flight or queued, seen before windows are final,"
    if situation.deadline_s:
        return f"{_due(situation)}: {_replicas(ahead)}; {held}"
    if situation.mate and coming(situation) > situation.in_flight + situation.queued:
        held += f" and {coming(situation):.3g} to come from {situation.mate.pool}"
    if situation.service_s <= 0:
        return f"{held} need {_replicas(present)}; serving times are not known yet"
    tightest = carries(situation)
    per_replica = f"{tightest.slots:.3g} per replica" + (f" ({tightest})" if tightest.face else "")
    forecast = (
        f"p{situation.quantile * 100:.0f} of the highest demand in the next "
        f"{situation.horizon_s:.3g} s is {situation.upper:.3g} slots at {per_replica}, "
        f"to keep misses within {situation.miss_budget_ratio * 100:.3g} %"
    )
    if situation.scheduled is not None and situation.scheduled.slots:
        expected = f"{situation.scheduled.slots:.3g} slots of demand are expected"
        forecast = f"{forecast}, where {expected} by {situation.scheduled.why}"
    if beyond_sleepers(situation) > _hold(situation, situation.upper):
        far = f"{situation.upper_far:.3g} in the {situation.lead_s:.3g} s that a start takes"
        forecast += f", {far}, and {situation.asleep} asleep are too few or may not be more"
    if present > ahead:
        called = f"{held} need {_replicas(present)}; {forecast} would need {ahead}"
    else:
        called = f"{forecast}: {_replicas(ahead)}; now {situation.demand:.3g} offered, {held}"
    return called + _stays(situation, max(ahead, present), replicas)


def _stays(situation: Situation, needed: int, replicas: int) -> str:
    if replicas > needed:
        return f"; {replicas} stand and are kept, {situation.kept:.3g} slots may be needed soon"
    if replicas < needed:
        return f"; {replicas} stand and will do, less than {LEAST_STEP:.0%} are lacking"
    return ""


def _due(situation: Situation) -> str:
    return (
        f"{situation.urgent_jobs} jobs due within {situation.urgent_within_s:.0f} s call for "
        f"{situation.urgent:.3g} slots at {carries(situation).slots:.3g} per replica"
    )


def _replicas(n: int) -> str:
    return f"{n} replica" if n == 1 else f"{n} replicas"
