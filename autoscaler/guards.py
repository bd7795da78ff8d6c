"""What may change a proposal, each with its reason. Order matters: see ``GUARDS``."""

from collections.abc import Callable, Sequence
from typing import Final

from autoscaler.explore import explored
from autoscaler.idle import break_even_s, why_not_zero
from autoscaler.plan import LEAST_STEP, for_backlog, for_forecast
from autoscaler.situation import Situation
from streams.schemas.scaling import Decision

Guard = Callable[[Decision, Situation], Decision]

STALE_AFTER_S: Final = 5.0
MAX_FAILED_STARTS: Final = 2
LEAST_WATCHED_S: Final = 60.0
"""A forecast from less than this knows too little of bursts."""


def changed(decision: Decision, desired: int, guard: str, why: str) -> Decision:
    """The decision with another size, and who changed it and why added to its sentence."""
    if desired == decision.desired:
        return decision
    return decision.but(
        desired=desired,
        guards=(*decision.guards, guard),
        reason=f"{decision.reason}; {desired}: {why}",
    )


def _no_growth(decision: Decision, situation: Situation, guard: str, why: str) -> Decision:
    return changed(decision, min(decision.desired, situation.standing), guard, why)


def _no_shrinking(decision: Decision, situation: Situation, guard: str, why: str) -> Decision:
    return changed(decision, max(decision.desired, situation.standing), guard, why)


def untrusted_clients(decision: Decision, situation: Situation) -> Decision:
    """No growth for demand of clients that flood the pool with bad requests."""
    if not situation.suspects or decision.desired <= situation.standing:
        return decision
    needed = max(for_forecast(situation, situation.suspect_demand), for_backlog(situation))
    who = ", ".join(situation.suspects)
    why = f"{situation.suspect_demand:.3g} slots of demand are of {who} and call for no growth"
    return changed(
        decision, max(situation.standing, min(decision.desired, needed)), "untrusted_clients", why
    )


def fruitless_growth(decision: Decision, situation: Situation) -> Decision:
    """No growth while the last replicas added did not raise goodput."""
    if not situation.fruitless:
        return decision
    return _no_growth(decision, situation, "fruitless_growth", situation.fruitless)


def crash_loop(decision: Decision, situation: Situation) -> Decision:
    """No growth while replicas fail before they are ready."""
    if situation.failed_starts < MAX_FAILED_STARTS:
        return decision
    why = f"{situation.failed_starts} replicas failed lately before they were ready"
    return _no_growth(decision, situation, "crash_loop", why)


def stabilise(decision: Decision, situation: Situation) -> Decision:
    """Shrink only to what was enough all the time lately."""
    if decision.desired >= situation.standing:
        return decision
    span = f"{situation.scale_down_after_s:g} s"
    least_s = max(LEAST_WATCHED_S, situation.scale_down_after_s)
    if situation.watched_s < least_s:
        why = f"the pool was watched for {situation.watched_s:.3g} of {least_s:g} s only"
        return _no_shrinking(decision, situation, "stabilise", why)
    enough = max(decision.desired, min(situation.standing, situation.highest_recent))
    why = f"{situation.highest_recent} was called for within the last {span}"
    if not worth_it(situation.standing, enough):
        enough, why = situation.standing, f"fewer than {LEAST_STEP:.0%} of them could go"
    return changed(decision, enough, "stabilise", why)


def worth_it(standing: int, desired: int) -> bool:
    """Whether so many replicas would go that it is worth the turning back."""
    return desired >= standing or standing - desired >= LEAST_STEP * standing


def last_replica(decision: Decision, situation: Situation) -> Decision:
    """The last one goes only once it was idle for as long as it takes to be worth a new start."""
    if decision.desired or not situation.standing or situation.low:
        return decision
    if why := why_not_zero(situation):
        return changed(decision, 1, "last_replica", why)
    idle = f"idle for {situation.idle_s:.0f} s"
    why = f"{idle}, and after {break_even_s(situation):.0f} s one costs more than a start"
    return decision.but(reason=f"{decision.reason}; 0: {why}")


def explore(decision: Decision, situation: Situation) -> Decision:
    """One replica fewer for a while where that was asked for; what comes after may forbid it."""
    size = explored(decision, situation)
    if size is None:
        return decision
    why = f"one fewer for at most {situation.explore_s:g} s, as allowed, to see what others carry"
    return changed(decision, size, "explore", why)


def allocated(decision: Decision, situation: Situation) -> Decision:
    """No more than other pools leave of the GPUs; some more where spot ones may be lost."""
    given = situation.allotment
    if given is None:
        return decision
    if given.replicas > given.asked:
        return changed(decision, max(decision.desired, given.replicas), "allocated", given.why)
    if decision.desired <= given.replicas:
        return decision
    return changed(decision, given.replicas, "allocated", given.why).but(
        unattainable=decision.unattainable or f"{given.asked} asked for, {given.replicas} granted"
    )


def incident_freeze(decision: Decision, situation: Situation) -> Decision:
    """Never shrink while users are hurt or figures are doubtful; after a while ask a person."""
    if decision.desired >= situation.standing or not situation.blocks:
        return decision
    newest = min(situation.blocks, key=lambda block: block.open_s)
    if newest.open_s >= situation.block_expires_s:
        after = f"{newest.incident} is open for {newest.open_s:.0f} s and blocks no longer"
        return decision.but(
            guards=(*decision.guards, "incident_freeze"),
            reason=f"{decision.reason}; {after}: a person should look at it",
        )
    return _no_shrinking(
        decision, situation, "incident_freeze", f"{newest.incident} is open, nothing is taken away"
    )


def stale_data(decision: Decision, situation: Situation) -> Decision:
    """Never shrink on figures that are missing or old."""
    if situation.stalled:
        why = "the stream of windows stands still"
    elif situation.data_age_s > STALE_AFTER_S:
        why = f"the newest figures are {min(situation.data_age_s, 9999):.3g} s old"
    else:
        return decision
    return _no_shrinking(decision, situation, "stale_data", why)


def gpu_budget(decision: Decision, situation: Situation) -> Decision:
    """No more GPUs ordered within an hour than the budget has."""
    left = max(0, situation.gpus_per_hour - situation.gpus_ordered)
    affordable = situation.standing + left // max(1, situation.gpus_per_replica)
    if decision.desired <= affordable:
        return decision
    why = f"{situation.gpus_ordered} of {situation.gpus_per_hour} GPUs an hour are ordered already"
    return changed(decision, affordable, "gpu_budget", why)


def scheduled(decision: Decision, situation: Situation) -> Decision:
    """As many as people said there would have to be by now, and no more than they said."""
    plan = situation.scheduled
    if plan is None:
        return decision
    most = decision.desired if plan.high is None else plan.high
    return changed(decision, max(plan.low, min(decision.desired, most)), "scheduled", plan.why)


def bounds(decision: Decision, situation: Situation) -> Decision:
    """Between the least and the most that settings and people allow."""
    if decision.desired > situation.high:
        return changed(
            decision, situation.high, "bounds", f"no more than {situation.high} are allowed"
        ).but(unattainable=f"{decision.desired} called for, {situation.high} allowed")
    return changed(
        decision,
        max(decision.desired, situation.low),
        "bounds",
        f"no fewer than {situation.low} are allowed",
    )


def ladder(decision: Decision, situation: Situation) -> Decision:
    """Act only as far as a person let the pool climb."""
    wanted = decision.desired
    decision = decision.but(wanted=wanted)
    match situation.ladder:
        case "full":
            return decision
        case "floor":
            why = "the ladder stands at floor, which may only raise"
            return _no_shrinking(decision, situation, "ladder", why)
        case "shadow" | "recommend":
            why = f"the ladder stands at {situation.ladder}, the pool is left alone"
            return changed(decision, situation.standing, "ladder", why)


def person(decision: Decision, situation: Situation) -> Decision:
    """A person's hold or override wins over all of the above, within the bounds."""
    order = situation.order
    if order is None:
        return decision
    replicas = min(max(order.replicas, situation.low), situation.high)
    word = "holds" if order.kind == "hold" else "overrides"
    why = f"{order.actor} {word}" + (f" ({order.reason})" if order.reason else "")
    if replicas != order.replicas:
        why += f" with {order.replicas}, and {situation.low} to {situation.high} are allowed"
    decided = changed(decision, replicas, order.kind, why)
    if decided is decision:  # said all the same: nothing but the person decides now
        decided = decision.but(
            guards=(*decision.guards, order.kind), reason=f"{decision.reason}; {why}"
        )
    return decided.but(wanted=replicas)


def dry_run(decision: Decision, situation: Situation) -> Decision:
    """Decide and say so, but leave the pool as it is."""
    if not situation.dry_run:
        return decision
    return changed(decision, situation.standing, "dry_run", "dry run, the pool is left alone")


GUARDS: Final[Sequence[Guard]] = (
    # What must not make it grow
    untrusted_clients,
    fruitless_growth,
    crash_loop,
    # what must not make it shrink
    stabilise,
    last_replica,
    explore,
    # what others need more (it is asked for what all the other guards allow)
    allocated,
    # what must not make it shrink at all
    incident_freeze,
    stale_data,
    # how far at most, and what people said of this hour
    gpu_budget,
    scheduled,
    bounds,
    # and who has the last word.
    ladder,
    person,
    dry_run,
)
