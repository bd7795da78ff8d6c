"""What a guard had to say of a decision, also where it let it pass."""

from collections.abc import Callable, Mapping
from typing import Final

from autoscaler import guards
from autoscaler.guards import Guard
from autoscaler.idle import break_even_s
from autoscaler.situation import Situation
from streams.schemas.scaling import Decision

AGAINST_GROWTH: Final = (guards.untrusted_clients, guards.fruitless_growth, guards.crash_loop)
AGAINST_SHRINKING: Final = (guards.stabilise, guards.incident_freeze, guards.stale_data)


def word_of(guard: Guard, before: Decision, after: Decision, situation: Situation) -> str:
    """What the guard added to the reason, or the facts that it let pass."""
    if after.reason != before.reason:
        added = after.reason.removeprefix(before.reason).removeprefix("; ")
        return added.removeprefix(f"{after.desired}: ")
    facts = FACTS[guard](situation)
    if guard in AGAINST_GROWTH and before.desired <= situation.standing:
        return f"{facts}; nothing is to be added"
    if guard in AGAINST_SHRINKING and before.desired >= situation.standing:
        return f"{facts}; nothing is to be taken away"
    return facts


def _suspects(situation: Situation) -> str:
    if not situation.suspects:
        return "no client floods the pool"
    who = ", ".join(situation.suspects)
    return f"{situation.suspect_demand:.3g} slots of demand are of {who}, who flood the pool"


def _growth(situation: Situation) -> str:
    return situation.fruitless or "the last replicas added helped, or none were added"


def _failures(situation: Situation) -> str:
    failed = f"{situation.failed_starts} replicas failed lately before they were ready"
    return f"{failed}, {guards.MAX_FAILED_STARTS} stop growth"


def _past(situation: Situation) -> str:
    highest, span_s = situation.highest_recent, situation.scale_down_after_s
    return f"{highest} at most was called for within the last {span_s:g} s"


def _last(situation: Situation) -> str:
    if situation.low:
        return f"never fewer than {situation.low} are allowed"
    if not situation.standing:
        return "none is there that could go"
    least_s = break_even_s(situation)
    return f"idle for {situation.idle_s:.0f} s; the last one may go after {least_s:.0f} s"


def _exploring(situation: Situation) -> str:
    if not situation.explore_s:
        return "finding out what replicas carry is not allowed"
    return "there is nothing to find out, or it might hurt somebody now"


def _shares(situation: Situation) -> str:
    given = situation.allotment
    return "nobody else needs its GPUs more" if given is None else given.why


def _incidents(situation: Situation) -> str:
    names = ", ".join(block.incident for block in situation.blocks)
    return f"{names} open" if names else "no incident is open that forbids it"


def _age(situation: Situation) -> str:
    if situation.stalled:
        return "the stream of windows stands still"
    age_s = min(situation.data_age_s, 9_999)
    return f"the newest figures are {age_s:.3g} s old, {guards.STALE_AFTER_S:g} s may be"


def _gpus(situation: Situation) -> str:
    ordered, budget = situation.gpus_ordered, situation.gpus_per_hour
    return f"{ordered} of {budget} GPUs an hour are ordered, {situation.gpus_per_replica} a replica"


def _schedules(situation: Situation) -> str:
    plan = situation.scheduled
    return plan.why if plan else "no schedule holds or is prepared for"


FACTS: Final[Mapping[Guard, Callable[[Situation], str]]] = {
    guards.untrusted_clients: _suspects,
    guards.fruitless_growth: _growth,
    guards.crash_loop: _failures,
    guards.stabilise: _past,
    guards.last_replica: _last,
    guards.explore: _exploring,
    guards.allocated: _shares,
    guards.incident_freeze: _incidents,
    guards.stale_data: _age,
    guards.gpu_budget: _gpus,
    guards.scheduled: _schedules,
    guards.bounds: lambda situation: f"{situation.low} to {situation.high} are allowed",
    guards.ladder: lambda situation: f"the ladder stands at {situation.ladder}",
    guards.person: lambda _: "nobody holds or overrides",
    guards.dry_run: lambda situation: "a dry run" if situation.dry_run else "not a dry run",
}
