"""Everything a decision depends on, as plain values: nothing else may be looked at."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from autoscaler.mate import Mate, mate_of
from autoscaler.region import UNKNOWN, UNTOLD, Mix, Region, mix_of, region_of
from autoscaler.scheduled import Scheduled, scheduled_of
from streams.schemas.scaling import Decision, Forecast, Ladder


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """An open incident during which the pool must not shrink."""

    incident: str
    open_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a person ordered: this many replicas, whatever the planner thinks."""

    kind: str
    """`hold` or `override`."""
    replicas: int
    actor: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allotment:
    """What pools that share GPUs leave to this one; other than asked for, else there is none."""

    asked: int
    replicas: int
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One pool at the end of one interval. Demand and loads are in slots (requests at once)."""

    cluster: str = "local"
    pool: str
    now_us: int

    standing: int
    """Replicas the driver was told to have, by the last decision or by others."""
    ready: int
    starting: int = 0
    pending_s: float = 0.0
    """How long the oldest starting replica has been ordered."""
    overdue: int = 0
    """Replicas that should have been ready long ago; of the inputs, the allotment holds them."""
    lead_s: float = 0.0
    """How long a replica takes from order to ready."""
    low: int
    high: int
    slots: int
    """Requests a replica serves at once."""

    demand: float
    """Offered work at present: arrivals per second times serving time in a full replica."""
    forecast: Forecast | None = None
    quantile: float = 0.8
    """The quantile to plan for: it spends the budget of misses and no more."""
    upper: float
    """That quantile of the highest demand until a replica ordered now is ready."""
    kept: float = 0.0
    """A higher one: what stands for up to this much is left standing."""
    asleep: int = 0
    """Replicas that serve nothing until they are woken."""
    max_asleep: int = 0
    """So many of those no longer needed are put to sleep; 0: they are stopped."""
    wake_s: float = 0.0
    """How long one takes to wake: then ``upper`` is of the time until it serves,"""
    upper_far: float = 0.0
    """and this of the time until one ordered now does."""
    in_flight: float = 0.0
    queued: float = 0.0
    glimpsed: float = 0.0
    """In flight and queued, together, by newer figures than the final ones; 0 while those flow."""
    service_s: float = 0.0
    """Serving time in a full replica; 0 while unknown."""
    identified: bool = False
    region: Region = UNKNOWN
    """What one replica carries beside its slots, as far as it is known."""
    mix: Mix = UNTOLD
    """What a request asks of it."""
    horizon_s: float = 0.0
    """Until a replica ordered now takes its first request."""
    slo_queue_s: float = 1.0
    deadline_s: float = 0.0
    """How long after it came a job must have ended; 0 where work does not wait."""
    urgent: float = 0.0
    """Slots in which jobs that wait end in time, as most of them are called for by"""
    urgent_jobs: int = 0
    """so many that are due first,"""
    urgent_within_s: float = 0.0
    """within so long from when a replica ordered now is ready."""
    missed: int = 0

    miss_budget_ratio: float = 0.01
    data_age_s: float = 0.0
    """Age of the newest window that says what the pool holds."""
    stalled: bool = False
    highest_recent: int = 0
    """Largest number of replicas proposed within ``scale_down_after_s``."""
    watched_s: float = 0.0
    """How long the planner has watched the pool without a gap."""
    scale_down_after_s: float = 60.0
    idle_s: float = 0.0
    """How long nothing was asked of it, as far as it was watched."""
    zero_after_starts: float = 10.0
    """Its last replica goes after so many times what one takes to start."""
    gpus_per_replica: int = 1
    gpus_ordered: int = 0
    """Ordered within the last hour."""
    gpus_per_hour: int = 64
    failed_starts: int = 0
    """Replicas that failed lately before they were ready."""
    fruitless: str = ""
    """Why more replicas do not help, if the last ones did not."""
    suspects: tuple[str, ...] = ()
    """Clients whose demand is not trusted."""
    suspect_demand: float = 0.0

    blocks: tuple[Block, ...] = ()
    block_expires_s: float = 900.0
    scheduled: Scheduled | None = None
    """What schedules say of now; expected demand is in ``upper`` already."""
    mate: Mate | None = None
    allotment: Allotment | None = None
    order: Order | None = None
    explore_s: float = 0.0
    """How long it may stand one replica short to see what the others carry; 0: not at all."""
    exploring_s: float = 0.0
    """How long it has; 0 if it does not."""
    rested_s: float = 0.0
    """Since it did last."""
    ladder: Ladder = "shadow"
    dry_run: bool = False


_NUMBERS = (
    "standing",
    "ready",
    "starting",
    "pending_s",
    "lead_s",
    "low",
    "high",
    "slots",
    "demand",
    "quantile",
    "upper",
    "kept",
    "asleep",
    "max_asleep",
    "wake_s",
    "upper_far",
    "in_flight",
    "queued",
    "glimpsed",
    "service_s",
    "identified",
    "horizon_s",
    "slo_queue_s",
    "deadline_s",
    "urgent",
    "urgent_jobs",
    "urgent_within_s",
    "missed",
    "miss_budget_ratio",
    "data_age_s",
    "stalled",
    "highest_recent",
    "watched_s",
    "scale_down_after_s",
    "idle_s",
    "zero_after_starts",
    "gpus_per_replica",
    "gpus_ordered",
    "gpus_per_hour",
    "failed_starts",
    "suspect_demand",
    "block_expires_s",
    "explore_s",
    "exploring_s",
    "rested_s",
)
_KINDS: Final[Mapping[str, type[float]]] = {
    name: Situation.__annotations__[name] for name in _NUMBERS
}


def inputs_of(situation: Situation) -> dict[str, float]:
    """The situation as numbers, for ``Decision.inputs``."""
    inputs = {name: float(getattr(situation, name)) for name in _NUMBERS}
    inputs |= situation.region.numbers() | situation.mix.numbers()
    inputs["fruitless"] = float(bool(situation.fruitless))
    inputs["suspects"] = float(len(situation.suspects))
    for number, block in enumerate(situation.blocks):
        inputs[f"block_{number}_open_s"] = float(block.open_s)
    if situation.scheduled is not None:
        inputs |= situation.scheduled.numbers()
    inputs |= situation.mate.numbers() if situation.mate else {}
    if situation.allotment is not None:
        inputs["asked"] = float(situation.allotment.asked)
        inputs["allotted"] = float(situation.allotment.replicas)
    if situation.order is not None:
        inputs[situation.order.kind] = float(situation.order.replicas)
    return inputs


def names_of(situation: Situation) -> dict[str, str]:
    """The words of the situation, for ``Decision.names``: without them no reason is told again."""
    names = {f"suspect_{n}": client for n, client in enumerate(situation.suspects)}
    names |= {f"block_{n}": block.incident for n, block in enumerate(situation.blocks)}
    if situation.fruitless:
        names["fruitless"] = situation.fruitless
    if situation.scheduled is not None:
        names["scheduled"] = situation.scheduled.why
    names |= situation.mate.names() if situation.mate else {}
    if situation.allotment is not None:
        names["allotted"] = situation.allotment.why
    if situation.order is not None:
        names["actor"] = situation.order.actor
        names["order"] = situation.order.reason
    return names


def situation_of(decision: Decision) -> Situation:
    """The situation a recorded decision was made in; deciding again gives the same decision.

    One that was recorded without names is given some; its numbers come out the same.
    """
    inputs, names = decision.inputs, decision.names
    values = {
        name: kind(inputs[name])
        for name, kind in _KINDS.items()
        if name in inputs  # one from before this input was known
    }
    why = names.get("fruitless", "the last replicas added did not help")
    return Situation(
        cluster=decision.cluster,
        pool=decision.pool,
        now_us=decision.at_us,
        forecast=decision.forecast,
        ladder=decision.ladder,
        dry_run=decision.dry_run,
        region=region_of(inputs),
        mix=mix_of(inputs),
        fruitless=why if inputs["fruitless"] else "",
        suspects=tuple(
            names.get(f"suspect_{n}", f"client {n + 1}") for n in range(int(inputs["suspects"]))
        ),
        blocks=_blocks(inputs, names),
        scheduled=scheduled_of(inputs, names),
        mate=mate_of(inputs, names),
        allotment=_allotment(inputs, names),
        order=_order(inputs, names),
        **values,  # type: ignore[arg-type]  # each name with the type its field has, see _KINDS
    )


def _blocks(inputs: Mapping[str, float], names: Mapping[str, str]) -> tuple[Block, ...]:
    found: list[Block] = []
    while (name := f"block_{len(found)}_open_s") in inputs:
        incident = names.get(f"block_{len(found)}", "an incident")
        found.append(Block(incident=incident, open_s=inputs[name]))
    return tuple(found)


def _allotment(inputs: Mapping[str, float], names: Mapping[str, str]) -> Allotment | None:
    if "allotted" not in inputs:
        return None
    return Allotment(
        asked=int(inputs["asked"]),
        replicas=int(inputs["allotted"]),
        why=names.get("allotted", "the GPUs are shared"),
    )


def _order(inputs: Mapping[str, float], names: Mapping[str, str]) -> Order | None:
    for kind in ("hold", "override"):
        if kind in inputs:
            return Order(
                kind=kind,
                replicas=int(inputs[kind]),
                actor=names.get("actor", "someone"),
                reason=names.get("order", ""),
            )
    return None
