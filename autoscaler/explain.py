"""A recorded decision in, its whole story out: what was seen, forecast, planned, and what if."""

from collections.abc import Iterator

from autoscaler.decide import OF_ANOTHER_VERSION, decide_again
from autoscaler.guard_words import word_of
from autoscaler.guards import GUARDS
from autoscaler.mate import Mate
from autoscaler.plan import propose, rate_per_s
from autoscaler.region import Limit
from autoscaler.situation import Situation, situation_of
from autoscaler.what_if import Otherwise, others
from streams.schemas.base import Record
from streams.schemas.scaling import Decision, Forecast


class GuardWord(Record, frozen=True, kw_only=True, omit_defaults=False):
    """What one guard made of what came to it, and why."""

    guard: str
    before: int
    after: int
    word: str


class Explanation(Record, frozen=True, kw_only=True, omit_defaults=False):
    """Why a pool has the size it has."""

    cluster: str
    pool: str
    at_us: int
    current: int
    proposed: int
    desired: int
    sentence: str
    situation: tuple[str, ...]
    """What was seen, a sentence each."""
    steps: tuple[str, ...]
    """The proposal, then each guard that changed it."""
    guards: tuple[str, ...]
    words: tuple[GuardWord, ...]
    """Every guard in its turn, also those that let the proposal pass."""
    forecast: Forecast | None
    others: tuple[Otherwise, ...]
    inputs: dict[str, float]
    """The numbers it was made from."""
    desired_again: int | None
    """The outcome when decided once more from these inputs: always the same as ``desired``, unless
    the planner that decided was of another version."""
    same_again: bool
    """Whether the whole decision comes out the same to the byte."""


def explain(decision: Decision) -> Explanation:
    """Everything but the record itself is worked out anew from its inputs, and so cannot differ."""
    again = _again(decision)
    situation = situation_of(decision) if again else None
    return Explanation(
        cluster=decision.cluster,
        pool=decision.pool,
        at_us=decision.at_us,
        current=decision.current,
        proposed=decision.proposed,
        desired=decision.desired,
        sentence=decision.reason,
        situation=tuple(_seen(situation)) if situation else (),
        steps=tuple(decision.reason.split("; ")),
        guards=decision.guards,
        words=tuple(_words(situation)) if situation else (),
        forecast=decision.forecast,
        others=tuple(others(situation)) if situation else (),
        inputs=decision.inputs,
        desired_again=again.desired if again else None,
        same_again=again == decision,
    )


def _again(decision: Decision) -> Decision | None:
    try:
        return decide_again(decision)
    except OF_ANOTHER_VERSION:
        return None


def _seen(situation: Situation) -> Iterator[str]:
    at = f"{situation.in_flight:.3g} requests in flight and {situation.queued:.3g} queued"
    yield f"{at}; {situation.demand:.3g} slots of work offered"
    starting = f", {situation.starting} starting" if situation.starting else ""
    standing = f"{situation.standing} ordered, {situation.ready} ready{starting}"
    yield f"replicas: {standing}; {situation.slots} requests at once each"
    yield from map(_limit, situation.region.known())
    if situation.service_s > 0:
        how = "measured in full ones" if situation.identified else "not measured in full ones yet"
        yield f"a request holds a slot of a full replica for {situation.service_s:.3g} s ({how})"
    else:
        yield "how long a request holds a slot is not known yet"
    yield (
        f"a replica ordered now takes its first request in {situation.horizon_s:.3g} s; "
        f"requests may wait {situation.slo_queue_s:g} s, {situation.missed} missed that just now"
    )
    if situation.scheduled:
        yield f"scheduled: {situation.scheduled.why}"
    if situation.mate:
        yield _mate(situation, situation.mate)
    if situation.max_asleep:
        asleep = f"{situation.asleep} of at most {situation.max_asleep} replicas are asleep"
        yield f"{asleep} and serve {situation.wake_s:.3g} s after they are woken"
    if situation.deadline_s:
        yield (
            f"jobs must have ended within {situation.deadline_s:g} s; the most urgent "
            f"{situation.urgent_jobs} take {situation.urgent:.3g} slots from now on"
        )
    yield f"the pool has been watched for {situation.watched_s:.0f} s without a gap"


def _mate(situation: Situation, mate: Mate) -> str:
    own = situation.standing * rate_per_s(situation)
    return (
        f"every request goes through {mate.pool} (role {mate.role}) as well: its replicas take "
        f"{mate.takes_per_s:.3g} requests/s and these {own:.3g}; both share one budget of misses"
    )


def _limit(face: tuple[str, Limit]) -> str:
    name, limit = face
    return f"a replica carries {'' if limit.identified else 'at least '}{limit.value:,.0f} {name}"


def _words(situation: Situation) -> Iterator[GuardWord]:
    decision = propose(situation)
    for guard in GUARDS:
        after = guard(decision, situation)
        yield GuardWord(
            guard=guard.__name__,
            before=decision.desired,
            after=after.desired,
            word=word_of(guard, decision, after, situation),
        )
        decision = after
