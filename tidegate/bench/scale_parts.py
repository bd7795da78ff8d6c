"""Where the GPU-hours go that Tidegate needs beyond the clairvoyant plan that misses as much."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from autoscaler.backtest.contenders import USUAL_BUDGET
from autoscaler.backtest.curve import hours_at
from tidegate.bench.scale_curves import BOUND, OURS, RATE, Curves, against, aligned, points
from tidegate.bench.scale_run import Row

CALM: Final = "clairvoyant_calm"
HEAD: Final = [
    "trace", "cold start", "Tidegate", "clairvoyant", "turning no more often than Tidegate",
    "single arrivals unknown", "rate unknown", "starting", "draining", "idle",
]  # fmt: skip
MEANING: Final = (
    "In parts of the clairvoyant plan's GPU-hours at Tidegate's misses: what that plan pays more "
    "where it may not turn round more often than Tidegate does; what the best staffing pays more "
    "that knows the mean load of ten minutes and no single arrival; the rest. Then how much of the "
    "GPU-hours of both (Tidegate / clairvoyant) replicas were starting, draining, and idle:"
)


class Parts(NamedTuple):
    """GPU-hours; None where it is not known."""

    bound: float
    turning: float | None
    arrivals: float | None
    rate: float | None


def parts_of(ours: Row, calm: Sequence[Row], bound: Sequence[Row], rate: Sequence[Row]) -> Parts:
    """They add up to what ``ours`` paid.

    calm: plans that turn round less and less often; the first that does so as seldom counts.
    """
    least = hours_at(points(bound), ours.missed_ratio) or 0.0
    seldom = [row for row in calm if row.reversals <= ours.reversals]
    dearer = against(min(seldom, key=lambda row: row.setting), bound) if seldom else 0.0
    known = hours_at(points(rate), ours.missed_ratio)
    turning = (dearer - 1) * least if dearer else None
    return Parts(
        bound=least,
        turning=turning,
        arrivals=known - least - (turning or 0.0) if known else None,
        rate=ours.gpu_hours - known if known else None,
    )


def parts(curves: Curves) -> list[str]:
    body = []
    for (trace, cold_start_s), who in curves.items():
        bound = who.get(BOUND, ())
        for ours in (row for row in who.get(OURS, ()) if row.setting == USUAL_BUDGET):
            found = parts_of(ours, who.get(CALM, ()), bound, who.get(RATE, ()))
            if not found.bound:
                continue
            hours = [f"{ours.gpu_hours:,.1f}", f"{found.bound:,.1f}"]
            shares = [_share(part, found.bound) for part in found[1:]]
            body.append([trace, f"{cold_start_s} s", *hours, *shares, *_uses(ours, bound)])
    return ["", MEANING, "", *aligned([HEAD, *body])] if body else []


def _share(part: float | None, of: float) -> str:
    return "" if part is None else f"{100 * part / of:+.0f} %"


def _uses(ours: Row, bound: Sequence[Row]) -> list[str]:
    alike = min(bound, key=lambda row: abs(row.missed_ratio - ours.missed_ratio))
    pairs = zip(_used(ours), _used(alike), strict=True)
    return [f"{100 * one:.0f} / {100 * other:.0f} %" for one, other in pairs]


def _used(row: Row) -> tuple[float, float, float]:
    busy = row.work_hours + row.starting_hours + row.draining_hours
    used = (row.starting_hours, row.draining_hours, row.gpu_hours - busy)
    starting, draining, idle = (hours / row.gpu_hours for hours in used)
    return starting, draining, idle
