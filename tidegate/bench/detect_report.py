"""A report of `tidegate bench detect` as Markdown for people, and as JSON with every figure."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from detectors.bench.bootstrap import Difference
from detectors.bench.contest import together
from detectors.bench.ours import OURS
from detectors.bench.peers import PEERS
from detectors.bench.verdict import Verdict
from detectors.bench.worth import Worth
from tidegate.bench.detect_run import Report, SetReport

COLUMNS: Final[Mapping[str, str]] = {
    "vus_pr": "VUS-PR",
    "vus_pr_after": "VUS-PR after probation",
    "auc_pr": "AUC-PR",
    "recall_0.1": "recall at 0.1 (false a day, delay)",
    "recall_0.3": "recall at 0.3 (false a day, delay)",
    "recall_boundary": "recall at score 1 (false a day, delay)",
    "nab_halves": "NAB, threshold of the other half",
    "nab_best": "NAB, best threshold",
    "nab_every_row": "NAB, best, every row an alarm",
    "nab_boundary": "NAB at score 1",
}
"""Measure -> its head in the table; the first that a set has orders its rows."""


def markdown(report: Report) -> list[str]:
    lines: list[str] = []
    for name, of_set in report.sets.items():
        lines += ["", f"### {name}: {_what(of_set)}", "", *_table(of_set), ""]
        lines += [_sentence(name, verdict) for verdict in of_set.verdicts]
    lines += ["", *_costs(report), ""]
    lines += [f"- {name}: {what}" for name, what in _peers(report).items()]
    lines += [f"- {peer} left out: needs {extra}" for peer, extra in report.left_out.items()]
    lines += [f"- refused: {file.name}: {file.reason}" for file in report.refused]
    return lines


def _what(of_set: SetReport) -> str:
    rows = sum(len(file.times) for file in of_set.files)
    events = sum(len(file.windows) for file in of_set.files)
    return f"{len(of_set.files)} files, {rows:,} rows, {events} events"


def _table(of_set: SetReport) -> list[str]:
    worths = together(of_set.results.values())
    measures = [measure for measure in COLUMNS if measure in worths]
    order = worths[measures[0]]
    names = sorted(order, key=lambda who: (who.startswith(f"{OURS}: "), -(order[who].value or 0)))
    body = [
        [
            f"**{who}**" if who == OURS else who,
            *(_cell(measure, worths[measure].get(who)) for measure in measures),
            f"{of_set.results[who].us_per_row:.1f}" if who in of_set.results else "",
        ]
        for who in names
    ]
    return _aligned([["detector", *(COLUMNS[m] for m in measures), "µs a row"], *body])


def _cell(measure: str, worth: Worth | None) -> str:
    if worth is None or worth.value is None:
        return ""
    digits = _digits(measure)
    cell = f"{worth.value:.{digits}f}"
    lowest, highest = worth.also.get("lowest"), worth.also.get("highest")
    if lowest is not None and lowest != highest:
        cell += f" [{lowest:.{digits}f}, {highest:.{digits}f}]"
    false, delay_s = worth.also.get("false_per_day"), worth.also.get("delay_median_s")
    late = "" if delay_s is None else f", {delay_s / 60:.0f} min"
    return cell if false is None else f"{cell} ({false:.2f}{late})"


def _digits(measure: str) -> int:
    """NAB's scores go up to 100, the others to 1."""
    return 1 if measure.startswith("nab") else 3


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    texts = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    return [texts[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *texts[1:]]


def _sentence(name: str, verdict: Verdict) -> str:
    goal = "reached" if verdict.reached else "missed"
    digits = _digits(verdict.measure)
    what = COLUMNS[verdict.measure].removesuffix(" (false a day, delay)")
    parts = [f"{name}, {what}: {verdict.ours:.{digits}f}, goal {verdict.goal:g} {goal}"]
    if verdict.over_peer:
        ahead = "ahead" if verdict.ahead else "not ahead"
        parts.append(
            f"{_gap(verdict.over_peer, digits)} against {verdict.best_peer}, {ahead} of it"
        )
    if verdict.over_member:
        keeps = "within" if verdict.keeps_up else "beyond"
        member = verdict.best_member.removeprefix(f"{OURS}: ")
        parts.append(
            f"{_gap(verdict.over_member, digits)} against its best member {member}, "
            f"{keeps} the {verdict.may_lose:g} it may lose"
        )
    return "- " + "; ".join(parts)


def _gap(gap: Difference, digits: int) -> str:
    return f"{gap.value:+.{digits}f} [{gap.low:+.{digits}f}, {gap.high:+.{digits}f}]"


def _peers(report: Report) -> dict[str, str]:
    """What those were that took part."""
    names = {name for of_set in report.sets.values() for name in of_set.results}
    return {name: peer.what for name, peer in PEERS.items() if name in names}


def _costs(report: Report) -> list[str]:
    rows = [
        [f"{series:,}", f"{cost.us:.2f}", f"{cost.lowest:.2f}–{cost.highest:.2f}"]
        for series, cost in report.costs.items()
    ]
    return _aligned([["series together", "CPU µs a value", "of ten blocks"], *rows])


def text(report: Report) -> str:
    """JSON; the same bytes for the same data and seed, but for ``timings``."""
    return json.dumps(_plain(report), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(report: Report) -> dict[str, Any]:
    return {
        "schema": 1,
        "seed": report.seed,
        "sets": {name: _set(of_set) for name, of_set in report.sets.items()},
        "peers": _peers(report),
        "left_out": dict(report.left_out),
        "refused": [{"file": file.name, "reason": file.reason} for file in report.refused],
        "timings": {
            "us_per_value": {
                str(series): {"median": c.us, "lowest": c.lowest, "highest": c.highest}
                for series, c in report.costs.items()
            },
            "us_per_row": {
                name: {who: result.us_per_row for who, result in of_set.results.items()}
                for name, of_set in report.sets.items()
            },
        },
    }


def _set(of_set: SetReport) -> dict[str, Any]:
    names = [file.name for file in of_set.files]
    return {
        "files": [
            {
                "name": f.name,
                "rows": len(f.times),
                "columns": f.values.shape[1],
                "step_s": f.step_s,
                "events": len(f.windows),
            }
            for f in of_set.files
        ],
        "measures": {
            measure: {who: _worth(worth, names) for who, worth in values.items()}
            for measure, values in together(of_set.results.values()).items()
        },
        "verdicts": [_verdict(verdict) for verdict in of_set.verdicts],
        "not_finite": {who: result.not_finite for who, result in of_set.results.items()},
    }


def _worth(worth: Worth, names: Sequence[str]) -> dict[str, Any]:
    also = {key: _finite(value) for key, value in worth.also.items()}
    figures = {"got": worth.got, "of": worth.of, **worth.each}
    files = {
        name: {figure: float(values[at]) for figure, values in figures.items()}
        for at, name in enumerate(names)
    }
    return {"value": worth.value} | also | {"files": files}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "measure": verdict.measure,
        "value": verdict.ours,
        "goal": verdict.goal,
        "reached": verdict.reached,
        "best_peer": verdict.best_peer,
        "over_peer": _interval(verdict.over_peer),
        "ahead": verdict.ahead,
        "best_member": verdict.best_member,
        "over_member": _interval(verdict.over_member),
        "keeps_up": verdict.keeps_up,
    }


def _interval(gap: Difference | None) -> dict[str, float] | None:
    return None if gap is None else {"value": gap.value, "low": gap.low, "high": gap.high}
