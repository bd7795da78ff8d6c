"""One pool's summary, replicas and decisions in; what its card says out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from autoscaler.api.series_store import Line
from autoscaler.api.summary import PoolSummary
from autoscaler.api.view import View
from dashboards.live.curves import spark
from dashboards.live.story import newest_turn
from dashboards.live.wording import count, number, quantity, span
from streams.schemas.incidents import Incident
from streams.schemas.scaling import Decision, ReplicaStatus
from streams.schemas.telemetry import Change
from streams.windows.features import find_value

MAX_REPLICAS_SHOWN: Final = 24
_STAND_IN: Final = "stand-in"
_SAID: Final = {"s", "cores"}
_MULTIPLES: Final = (
    ("in_flight_mean", "in flight"),
    ("output_tokens_per_s", "tokens/s"),
    ("inter_token_s_mean", "between tokens"),
    ("cpu_ratio_mean", "CPU"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One replica; ``trouble`` names the incident that blames it."""

    name: str
    state: str
    since_us: int
    ordered_us: int
    ready_us: int
    """When it should be ready, 0 where nobody knows."""
    trouble: str
    note: str


@dataclass(frozen=True, slots=True)
class Spark:
    label: str
    path: str
    now: str


@dataclass(frozen=True, slots=True)
class ReplicaRow:
    chip: Chip
    sparks: tuple[Spark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tide:
    """Demand and forecast against the replicas there are and may be, in percent of the bar."""

    filled: int
    coming: int
    gates: int
    demand: float | None
    forecast: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    key: str
    """`cluster/pool`"""
    summary: PoolSummary
    badges: tuple[str, ...]
    chips: tuple[Chip, ...]
    hidden: int
    tide: Tide | None
    steps: tuple[tuple[str, str, str], ...]
    """(name, what, detail): forecast, order, arrival, misses"""
    reason: str
    rules: tuple[str, ...]


def card(view: View, summary: PoolSummary, chips: Sequence[Chip]) -> Card:
    decisions = view.decisions(summary.cluster, summary.pool, limit=300)
    return Card(
        key=f"{summary.cluster}/{summary.pool}",
        summary=summary,
        badges=_badges(summary),
        chips=tuple(chips[:MAX_REPLICAS_SHOWN]),
        hidden=max(0, len(chips) - MAX_REPLICAS_SHOWN),
        tide=_tide(summary),
        steps=_steps(summary, chips, decisions, view.changes(pool=summary.pool)),
        reason=summary.reason,
        rules=summary.rules,
    )


def chips(replicas: Iterable[ReplicaStatus], incidents: Iterable[Incident]) -> list[Chip]:
    """Those that are gone are left out."""
    blamed = {
        one.subject.name: one.title
        for one in incidents
        if one.state == "open" and one.subject.kind == "replica"
    }
    return [
        Chip(
            name=one.replica,
            state=one.state,
            since_us=one.since_us,
            ordered_us=one.ordered_at_us or one.since_us,
            ready_us=one.expected_ready_at_us,
            trouble=blamed.get(one.replica, ""),
            note=one.reason,
        )
        for one in replicas
        if one.state != "stopped"
    ]


def replica_rows(view: View, key: str, chips: Sequence[Chip], now_us: int) -> list[ReplicaRow]:
    """Small multiples: the same few values of every replica, side by side."""
    cluster, _, pool = key.partition("/")
    where = {"cluster": cluster, "pool": pool}
    lines = {
        name: {line.labels.get("replica", ""): line for line in view.series("engine", name, where)}
        for name, _ in _MULTIPLES
    }
    used = [(name, label) for name, label in _MULTIPLES if lines[name]]
    return [
        ReplicaRow(
            chip, tuple(_spark(lines[name], chip, name, label, now_us) for name, label in used)
        )
        for chip in chips[:MAX_REPLICAS_SHOWN]
        if chip.state != "starting"
    ]


def _spark(lines: Mapping[str, Line], chip: Chip, name: str, label: str, now_us: int) -> Spark:
    line = lines.get(chip.name)
    newest = _newest(line) if line is not None else None
    unit = find_value("engine", name).unit
    # The label names requests and tokens already.
    text = quantity(newest, unit) if unit in _SAID else number(newest)
    return Spark(label, spark(line, now_us), text)


def _newest(line: Line) -> float | None:
    """Of the last ten windows: some values are not there every second."""
    seen = line.values[-10:][np.isfinite(line.values[-10:])]
    return float(seen[-1]) if seen.size else None


def _badges(summary: PoolSummary) -> tuple[str, ...]:
    badges = [summary.cap] if summary.cap else []
    if _STAND_IN in summary.model:
        badges.append("stand-in for a video model")
    if summary.dry_run:
        badges.append("dry run")
    if not summary.driver:
        return (*badges, "only looked at")
    badges.append(
        {"full": "scales by itself", "floor": "may only grow"}.get(summary.ladder, summary.ladder)
    )
    return tuple(badges)


def _tide(summary: PoolSummary) -> Tide | None:
    per_replica = summary.capacity_per_replica or summary.slots_per_replica
    if not per_replica:
        return None
    gates = max(summary.max_replicas, summary.current_replicas, 1)

    def percent(load: float | None) -> float | None:
        return None if load is None else round(min(100.0, 100 * load / (gates * per_replica)), 1)

    return Tide(
        filled=summary.ready,
        coming=summary.starting,
        gates=gates,
        demand=percent(summary.demand),
        forecast=percent(summary.forecast),
    )


def _steps(
    summary: PoolSummary,
    chips: Sequence[Chip],
    decisions: Sequence[Decision],
    changes: Sequence[Change],
) -> tuple[tuple[str, str, str], ...]:
    return (
        _forecast(summary),
        _order(decisions, summary.pool),
        _arrival(chips, changes),
        (
            "Missed",
            count(summary.missed, "request"),
            f"a reactive policy: {number(summary.reactive_missed)}",
        ),
    )


def _forecast(summary: PoolSummary) -> tuple[str, str, str]:
    if summary.forecast is None or summary.forecast_horizon_s is None:
        return "Forecast", "none yet", ""
    share = f"{round((summary.forecast_quantile or 0) * 100)} % sure"
    now = f"now {number(summary.demand)}"
    return (
        "Forecast",
        f"{number(summary.forecast)} at once",
        f"in {span(summary.forecast_horizon_s)}, {share}; {now}",
    )


def _order(decisions: Sequence[Decision], pool: str) -> tuple[str, str, str]:
    turn = newest_turn(decisions, pool)
    if not turn:
        return "Order", "none", "the size fits"
    verb = "more" if turn.desired > turn.current else "fewer"
    change = abs(turn.desired - turn.current)
    return "Order", f"{change} {verb}", f"@{turn.at_us}"


def _arrival(chips: Sequence[Chip], changes: Sequence[Change]) -> tuple[str, str, str]:
    coming = [chip for chip in chips if chip.state == "starting"]
    if coming:
        first = min(coming, key=lambda chip: chip.ready_us or chip.since_us)
        return "Arrival", first.name, f"in@{first.ready_us}" if first.ready_us else "starting"
    ready = next((one for one in changes if one.kind == "replica_ready"), None)
    return ("Arrival", ready.replica, f"@{ready.at_us}") if ready else ("Arrival", "none due", "")
