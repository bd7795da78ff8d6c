"""One pool on one line: what its driver, the planner and the newest windows say together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from autoscaler.schedules.spans import sentence
from streams.schemas.base import Record
from streams.schemas.incidents import Incident, Rule
from streams.schemas.scaling import Decision, Ladder, PoolStatus


class PoolSummary(Record, frozen=True, kw_only=True, omit_defaults=False):
    """Flat on purpose: KEDA's metrics-api scaler reads `desired_replicas` or `queue` by name."""

    cluster: str
    pool: str
    service: str
    model: str
    desired_replicas: int
    """What the planner wants; what the driver was told where there is no decision yet."""
    current_replicas: int
    ready: int
    starting: int
    draining: int
    failed: int
    min_replicas: int
    max_replicas: int
    ladder: Ladder
    dry_run: bool
    driver: str
    hardware: str
    cap: str
    slots_per_replica: int
    queue: float
    """Requests waiting in the gateway, mean of the newest window."""
    in_flight: float
    arrivals_per_s: float
    """Mean of the newest ten windows."""
    queue_p95_s: float | None
    ttft_p95_s: float | None
    demand: float | None
    """Offered work now, in slots."""
    forecast: float | None
    """Upper quantile of demand when a replica ordered now would be ready."""
    forecast_quantile: float | None
    forecast_horizon_s: float | None
    capacity_per_replica: float | None
    capacity_identified: bool
    reactive: int | None
    missed: int
    """Requests since the view began that waited too long, failed, were shed or given up."""
    reactive_missed: int
    reason: str
    decided_at_us: int | None
    at_us: int
    state: Literal["ok", "hurt"]
    """`hurt` while an incident of the pool is open."""
    incidents: tuple[str, ...]
    rules: tuple[str, ...]
    """Holds, overrides and limits in force, one sentence each."""
    compared: str
    """What the planner would have changed on the newest day on which it did not act."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFacts:
    """What is known of one pool."""

    status: PoolStatus
    decision: Decision | None
    numbers: Mapping[str, float]
    """Value name -> newest number."""
    incidents: Sequence[Incident]
    """Open ones."""
    rules: Sequence[Rule]
    missed: tuple[int, int]
    """Ours and the reactive policy's since the view began."""
    compared: str = ""


def summarise(facts: PoolFacts) -> PoolSummary:
    status, decision, numbers = facts.status, facts.decision, facts.numbers
    forecast = decision.forecast if decision else None
    upper = forecast.planned if forecast and forecast.quantiles else None
    return PoolSummary(
        cluster=status.cluster,
        pool=status.pool,
        service=status.service,
        model=status.model,
        desired_replicas=decision.desired if decision else status.desired,
        current_replicas=status.ready + status.starting,
        ready=status.ready,
        starting=status.starting,
        draining=status.draining,
        failed=status.failed,
        min_replicas=status.min_replicas,
        max_replicas=status.max_replicas,
        ladder=decision.ladder if decision else status.ladder,
        dry_run=decision.dry_run if decision else False,
        driver=status.driver,
        hardware=status.hardware,
        cap=status.cap,
        slots_per_replica=status.slots_per_replica,
        queue=numbers.get("queued_mean", 0.0),
        in_flight=numbers.get("in_flight_mean", 0.0),
        arrivals_per_s=numbers.get("arrived_per_s", 0.0),
        queue_p95_s=numbers.get("queue_s_p95"),
        ttft_p95_s=numbers.get("ttft_s_p95"),
        demand=decision.demand if decision else None,
        forecast=upper.value if upper else None,
        forecast_quantile=upper.q if upper else None,
        forecast_horizon_s=forecast.horizon_s if forecast else None,
        capacity_per_replica=decision.capacity_per_replica if decision else None,
        capacity_identified=decision.capacity_identified if decision else False,
        reactive=decision.reactive if decision else None,
        missed=facts.missed[0],
        reactive_missed=facts.missed[1],
        reason=decision.reason if decision else "no decision yet",
        decided_at_us=decision.at_us if decision else None,
        at_us=status.at_us,
        state="hurt" if facts.incidents else "ok",
        incidents=tuple(incident.id for incident in facts.incidents),
        rules=tuple(rule_sentence(rule) for rule in facts.rules),
        compared=facts.compared,
    )


def rule_sentence(rule: Rule) -> str:
    """`ann overrides with 3 replicas: launch day`."""
    what = {
        "hold": f"holds at {rule.replicas} replicas",
        "override": f"overrides with {rule.replicas} replicas",
        "limits": f"limits to {rule.min_replicas} to {rule.max_replicas} replicas",
        "ladder": f"sets the ladder to {rule.ladder}",
        "silence": "silences alerts",
        "schedule": f"schedules {rule.name} ({sentence(rule.schedule)})" if rule.schedule else "",
    }[rule.kind]
    return f"{rule.actor} {what}" + (f": {rule.reason}" if rule.reason else "")
