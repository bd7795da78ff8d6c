"""GPU-hours of Tidegate and of the bounds by trace: in its own settings, and at equal misses."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from autoscaler.backtest.curve import EQUAL_MISSES, LEAST, Point, hours_at
from tidegate.bench.scale_run import Row

BOUND: Final = "clairvoyant"
CAUSAL: Final = "hindsight"
RATE: Final = "known_rate"
OURS: Final = "tidegate"
USUAL_HPA: Final = 0.7

Contest = Mapping[str, Mapping[str, Sequence[Row]]]
"""Trace -> contender -> its settings."""
Curves = Mapping[tuple[str, int], Mapping[str, Sequence[Row]]]
"""(trace, cold start) -> contender -> its settings."""
Hours = Mapping[tuple[str, int], float]
"""(trace, cold start) -> GPU-hours of the reference's clairvoyant plan that misses 0.1 %."""


def curves_of(rows: Iterable[Row]) -> Curves:
    curves: dict[tuple[str, int], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        curves[row.trace, row.cold_start_s][row.contender].append(row)
    return curves


def points(rows: Iterable[Row]) -> list[Point]:
    return [Point(row.missed_ratio, row.gpu_hours) for row in rows]


def by_trace(curves: Curves, theirs: Hours) -> list[str]:
    head = [
        "trace", "cold start", "policy", "setting", "GPU-hours", "missed", "× clairvoyant",
        "× hindsight", "× clairvoyant at 0.1 %", "× theirs at 0.1 %", "worst ten minutes",
        "hindsight's", "reversals", "HPA's reversals",
    ]  # fmt: skip
    body = [
        [
            trace,
            f"{cold_start_s} s",
            name,
            f"{row.setting:g}",
            f"{row.gpu_hours:,.1f}",
            f"{100 * row.missed_ratio:.2f} %",
            *(times(against(row, who.get(bound, ()))) for bound in (BOUND, CAUSAL)),
            times(_over(row, hours_at(points(who.get(BOUND, ())), LEAST))),
            times(_over(row, theirs.get((trace, cold_start_s)))),
            f"{100 * row.worst_ratio:.0f} %",
            _worst_of(who.get(CAUSAL, ()), row.missed_ratio),
            str(row.reversals),
            ", ".join(str(one.reversals) for one in who.get("hpa", ()) if one.setting == USUAL_HPA),
        ]
        for (trace, cold_start_s), who in curves.items()
        for name in who
        if name.startswith(OURS)
        for row in who[name]
    ]
    return aligned([head, *body])


def at_equal_misses(curves: Curves) -> list[str]:
    """A line for each bound and Tidegate; empty where no setting misses as little."""
    head = ["trace", "cold start", "policy", *(f"{100 * missed:g} %" for missed in EQUAL_MISSES)]
    body = [
        [trace, f"{cold_start_s} s", name, *(_cell(who[name], missed) for missed in EQUAL_MISSES)]
        for (trace, cold_start_s), who in curves.items()
        for name in (BOUND, RATE, OURS, CAUSAL)
        if who.get(name)
    ]
    return aligned([head, *body])


def _cell(rows: Sequence[Row], missed_ratio: float) -> str:
    hours = hours_at(points(rows), missed_ratio)
    return f"{hours:,.1f}" if hours else ""


def against(row: Row, bound: Sequence[Row]) -> float:
    """At equal misses; 0 where the bound's curve does not reach there."""
    return _over(row, hours_at(points(bound), row.missed_ratio))


def _over(row: Row, hours: float | None) -> float:
    return row.gpu_hours / hours if hours else 0.0


def _worst_of(bound: Sequence[Row], missed_ratio: float) -> str:
    """Its worst ten minutes at the cheapest setting that misses no more; empty if none does."""
    enough = [row for row in bound if row.missed_ratio <= max(missed_ratio, LEAST)]
    if not enough:
        return ""
    return f"{100 * min(enough, key=lambda row: row.gpu_hours).worst_ratio:.0f} %"


def times(ratio: float) -> str:
    return f"{ratio:.3f}" if ratio else ""


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return [head, "|" + "---|" * len(rows[0]), *body]
