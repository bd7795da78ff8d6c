"""Results in, Markdown out, ready to paste."""

from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks.ingest.contenders import CONTENDERS
from benchmarks.ingest.drain import Drained, Size
from benchmarks.ingest.figures import spread
from benchmarks.ingest.steady import Steady
from benchmarks.ingest.verdicts import Results

MB = 1_000_000


def contenders(results: Results) -> list[str]:
    """A row for each contender, with what it leaves out."""
    lines = [
        "| contender | events/s, thousands | CPU s per million | RSS, MB | events a run "
        "| windows right | right after a kill | leaves out |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return lines + [_row(name, results.get(name, ())) for name in CONTENDERS]


OURS: Final = {contender.form: name for name, contender in CONTENDERS.items() if contender.exact}
"""Form of the messages -> Tidegate's entry."""


def ratios(results: Results) -> dict[str, dict[str, float]]:
    """Of every contender to Tidegate on the same kind of messages; above 1: it is slower."""
    found: dict[str, dict[str, float]] = {}
    for name, runs in results.items():
        form = CONTENDERS[name].form if name in CONTENDERS else ""
        ours = results.get(OURS.get(form, ""))
        if ours and runs and form:
            found[name] = {
                "events_per_s": _rate(ours) / _rate(runs),
                "cpu": _cpu(runs) / _cpu(ours),
            }
    return found


def curve(name: str, points: Mapping[int, Sequence[Drained]]) -> list[str]:
    """One parameter of ``Size`` varied, Tidegate only."""
    lines = [f"| {name} | events/s, thousands | CPU s per million | RSS, MB |", "|---|---|---|---|"]
    return lines + [
        f"| {value:,} | {_figures(runs)} |" for value, runs in sorted(points.items()) if runs
    ]


def steady(loads: Mapping[str, Steady]) -> list[str]:
    """Cores and latency of INGEST and WATCH, each in processes of its own."""
    lines = [
        "| steady load | sent/s | INGEST, cores | WATCH, cores | RSS, MB | final p50 / p99, s "
        "| provisional p50 / p99, s |",
        "|---|---|---|---|---|---|---|",
    ]
    return lines + [
        f"| {name} | {run.achieved_per_s:,.0f} | {run.ingest_cores:.2f} | {run.watch_cores:.2f} "
        f"| {run.ingest_rss_bytes / MB:,.0f} + {run.watch_rss_bytes / MB:,.0f} "
        f"| {_pair(run.final_s)} | {_pair(run.provisional_s)} |"
        for name, run in loads.items()
    ]


def machine(results: Results, cores: int, size: Size) -> str:
    """How quiet it was: without it no figure means anything."""
    loads = [run.load for runs in results.values() for run in runs]
    floor = results.get("floor")
    told = f"{spread([run.per_s for run in floor]).text(0, 1e3)} thousand/s" if floor else "unknown"
    load = spread(loads).text(1) if loads else "unknown"
    return (
        f"{cores} cores, load average before a run {load}; the floor read {told}. Single JSON "
        f"events of about 150 bytes, lz4 record batches, {size.partitions} partitions, "
        f"{size.models} models; median (lowest–highest) of interleaved runs."
    )


def _pair(waited_s: tuple[float, float] | None) -> str:
    return f"{waited_s[0]:.2f} / {waited_s[1]:.2f}" if waited_s else "–"


def _row(name: str, runs: Sequence[Drained]) -> str:
    contender = CONTENDERS[name]
    if not runs:
        return f"| {contender.what} | not measured | | | | | | {contender.leaves_out} |"
    exact = "yes" if contender.exact else "no"
    return (
        f"| {contender.what} | {_figures(runs)} | {runs[0].events:,} | {_right(runs)} | {exact} "
        f"| {contender.leaves_out or 'nothing'} |"
    )


def _figures(runs: Sequence[Drained]) -> str:
    per_s = spread([run.per_s for run in runs]).text(0, 1e3)
    cpu = spread([run.cpu_s_per_million for run in runs]).text(2)
    rss = spread([run.rss_bytes for run in runs]).text(0, MB)
    return f"{per_s} | {cpu} | {rss}"


def _right(runs: Sequence[Drained]) -> str:
    if runs[0].difference is None:
        return "–"
    return next((run.difference for run in runs if run.difference), "all")


def _rate(runs: Sequence[Drained]) -> float:
    return spread([run.per_s for run in runs]).median


def _cpu(runs: Sequence[Drained]) -> float:
    return spread([run.cpu_s_per_million for run in runs]).median
