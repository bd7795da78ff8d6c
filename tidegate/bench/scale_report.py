"""A report of `tidegate bench scale` as Markdown."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from autoscaler.backtest.contenders import CONTENDERS
from autoscaler.backtest.curve import EQUAL_MISSES, LEAST, geometric_mean, hours_at
from tidegate.bench.scale_curves import (
    BOUND,
    CAUSAL,
    Contest,
    Hours,
    aligned,
    at_equal_misses,
    by_trace,
    curves_of,
    points,
    times,
)
from tidegate.bench.scale_parts import parts
from tidegate.bench.scale_run import Report, Row

ALLOWED: Final = 0.01
"""Misses at which a single setting still counts as good enough on a trace."""

THEIR_BOUND: Final = "oracle"
SINGLE: Final = (
    "Single settings that miss at most 1 % on every trace, then the usual ones of the others. "
    "GPU-hours against the bound where it misses 0.1 % and the clairvoyant plan of the reference:"
)
EQUAL: Final = "GPU-hours at equal misses, times those of"


class Known(msgspec.Struct):
    """A run of others, as `peers.json` has them."""

    trace: str
    policy: str
    setting: float
    cold_start_s: int
    gpu_hours: float
    over_slo_pct: float


def markdown(report: Report, others: Sequence[Known] = ()) -> list[str]:
    curves = curves_of(report.rows)
    theirs = {
        (known.trace, known.cold_start_s): known.gpu_hours
        for known in others
        if (known.policy, known.setting) == (THEIR_BOUND, LEAST)
    }
    lines: list[str] = []
    for cold_start_s in sorted({start_s for _, start_s in curves}):
        of = {trace: who for (trace, start_s), who in curves.items() if start_s == cold_start_s}
        bound = BOUND if BOUND in _contenders(of) else CAUSAL
        lines += ["", f"### Cold start {cold_start_s} s, {len(of)} traces", "", SINGLE, ""]
        lines += [*_single(of, bound, theirs), "", f"{EQUAL} {bound}:", "", *_equal(of, bound)]
    lines += ["", "### Tidegate by trace", "", *by_trace(curves, theirs)]
    lines += ["", "### GPU-hours at equal misses", "", *at_equal_misses(curves)]
    lines += parts(curves)
    lines += [f"- left out: {name} is no trace of one pool" for name in report.refused]
    return lines


def _single(of: Contest, bound: str, theirs: Hours) -> list[str]:
    """Those that are good enough from cheap to dear, then the usual settings of the others."""
    found = []
    for name in _contenders(of):
        if CONTENDERS[name].knows or name == CAUSAL:
            continue
        for setting in CONTENDERS[name].settings:
            rows = [row for who in of.values() for row in who[name] if row.setting == setting]
            good = max((row.missed_ratio for row in rows), default=1.0) <= ALLOWED
            if len(rows) == len(of) and (good or setting == CONTENDERS[name].usual):
                ours = _mean((row, hours_at(points(of[row.trace][bound]), LEAST)) for row in rows)
                found.append((not good, ours, rows))
    body = [
        [
            rows[0].contender,
            f"{rows[0].setting:g}",
            times(ours),
            times(_mean((row, theirs.get((row.trace, row.cold_start_s))) for row in rows)),
            f"{100 * max(row.missed_ratio for row in rows):.2f} %",
            f"{100 * max(row.worst_ratio for row in rows):.0f} %",
            str(sum(row.reversals for row in rows)),
        ]
        for _, ours, rows in sorted(found, key=lambda one: one[:2])
    ]
    head = [
        "policy", "setting", f"× {bound}", "× theirs", "most missed",
        "worst ten minutes", "reversals",
    ]  # fmt: skip
    return aligned([head, *body])


def _equal(of: Contest, bound: str) -> list[str]:
    """Geometric means over the traces; empty where a curve does not reach on each."""
    body = []
    for name in _contenders(of):
        cells = []
        for missed in EQUAL_MISSES:
            pairs = [
                (hours_at(points(who[name]), missed), hours_at(points(who[bound]), missed))
                for who in of.values()
            ]
            ratios = [ours / least for ours, least in pairs if ours and least]
            cells.append(times(geometric_mean(ratios) if len(ratios) == len(pairs) else 0.0))
        body.append([name, *cells])
    head = ["policy", *(f"{100 * missed:g} % missed" for missed in EQUAL_MISSES)]
    return aligned([head, *body])


def _mean(pairs: Iterable[tuple[Row, float | None]]) -> float:
    """Of the rows' GPU-hours against other hours; 0 where some are not known."""
    known = [row.gpu_hours / hours if hours else 0.0 for row, hours in pairs]
    return geometric_mean(known) if all(known) else 0.0


def _contenders(of: Contest) -> list[str]:
    """Those that ran on every trace."""
    return [name for name in CONTENDERS if all(who.get(name) for who in of.values())]


NAMES: Final[Mapping[str, str]] = {
    "apa": "aibrix",
    "apa_maxstab": "aibrix_highest",
    "aws_like": "aws",
    "dynamo_kalman": "dynamo",
    "hpa_conc": "hpa_concurrency",
    "hpa_util": "hpa",
    "keda_conc": "keda",
    "keda_q5": "keda_queue",
    "kpa": "knative",
    "phpa_hw": "predictive_hpa",
    "ray": "ray_serve",
    "snq_erlang": "staffing",
}
"""Of policies there -> here."""


def runs_of_others(reference: bytes) -> Sequence[Known]:
    return msgspec.json.decode(reference, type=list[Known])


def agreement(report: Report, others: Iterable[Known]) -> list[str]:
    """How far our runs of the peers are from those of others; a table, a policy a line."""
    ours = {(r.trace, r.contender, r.setting, r.cold_start_s): r for r in report.rows}
    apart: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for known in others:
        name = NAMES.get(known.policy, "")
        row = ours.get((known.trace, name, known.setting, known.cold_start_s))
        if row:
            hours = row.gpu_hours / known.gpu_hours - 1
            apart[name].append((100 * hours, 100 * row.missed_ratio - known.over_slo_pct))
    body = [[name, str(len(pairs)), *_spread(pairs)] for name, pairs in sorted(apart.items())]
    head = ["policy", "runs", "GPU-hours apart, most", "misses apart, most", "beyond 2 % or 0.1"]
    return ["", "### Against the runs of others", "", *aligned([head, *body])]


def _spread(pairs: Sequence[tuple[float, float]]) -> Iterator[str]:
    yield f"{max((hours for hours, _ in pairs), key=abs):+.2f} %"
    yield f"{max((missed for _, missed in pairs), key=abs):+.3f} points"
    yield str(sum(abs(hours) > 2 or abs(missed) > 0.1 for hours, missed in pairs))
