"""The goals and whether a run reached them: a line each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.ingest.drain import Drained
from benchmarks.ingest.figures import spread
from benchmarks.ingest.gpus import METRICS
from benchmarks.ingest.steady import Steady

Results = Mapping[str, Sequence[Drained]]
"""Runs by contender."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """``contender`` is to be at least ``least`` times as fast as ``peer``."""

    contender: str
    peer: str
    least: float


RATIOS: Final = (
    Ratio("tidegate", "floor", 0.9),
    Ratio("tidegate", "bytewax", 2),
    Ratio("tidegate", "quix", 15),
    Ratio("tidegate", "faust", 30),
)
MOST_CPU_S: Final = 3.2
LEAST_FRAMES_PER_S: Final = 1_200_000
LEAST_EVENTS_PER_S: Final = 300_000
MOST_FINAL_S: Final = 4.0
"""Window of 1 s, lateness of 2 s, and 1 s."""
MOST_GPU_CORES: Final = {len(METRICS): 0.5, 1: 1.0}
"""10,000 GPUs a second, by metrics in a record."""
KEPT_UP: Final = 0.98


def verdicts(results: Results) -> list[str]:
    """One sentence for each goal; what was not measured is said to be so."""
    return [
        *[_ratio(ratio, results) for ratio in RATIOS],
        _most_cpu("tidegate", MOST_CPU_S, results),
        _least_rate("tidegate", LEAST_EVENTS_PER_S, results),
        _least_rate("tidegate-columns", LEAST_FRAMES_PER_S, results),
        _equality(results),
    ]


def latency_verdicts(loads: Mapping[str, Steady]) -> list[str]:
    """The goals of steady loads: when a final window can be read, and what GPUs cost."""
    found = []
    for name, run in loads.items():
        if run.final_s is not None:
            reached = _word(run.final_s[1] <= MOST_FINAL_S)
            found.append(
                f"{name}: p99 of produced → final window ≤ {MOST_FINAL_S:g} s (window + lateness "
                f"+ 1 s): {reached} ({run.final_s[1]:.2f} s)"
            )
        most = MOST_GPU_CORES.get(run.line.metrics)
        if most is not None:
            kept_up = run.achieved_per_s >= KEPT_UP * run.line.rate
            reached = _word(run.ingest_cores <= most and kept_up)
            found.append(
                f"{name}: INGEST ≤ {most:g} cores: {reached} ({run.ingest_cores:.2f} and WATCH "
                f"{run.watch_cores:.2f} at {run.achieved_per_s:,.0f} records/s)"
            )
    return found


def _ratio(goal: Ratio, results: Results) -> str:
    what = f"≥ {goal.least:g} × {goal.peer}"
    ours, theirs = results.get(goal.contender), results.get(goal.peer)
    if not ours or not theirs:
        return f"{what}: not measured"
    rate = spread([run.per_s for run in ours]).median / spread([run.per_s for run in theirs]).median
    cpu = (
        spread([run.cpu_s_per_million for run in theirs]).median
        / spread([run.cpu_s_per_million for run in ours]).median
    )
    return (
        f"{what}: {_word(rate >= goal.least)} by events/s ({rate:.2f} ×), "
        f"{_word(cpu >= goal.least)} by CPU ({cpu:.2f} ×)"
    )


def _most_cpu(name: str, most: float, results: Results) -> str:
    what = f"{name} ≤ {most:g} CPU s per million"
    if not results.get(name):
        return f"{what}: not measured"
    found = spread([run.cpu_s_per_million for run in results[name]])
    return f"{what}: {_word(found.median <= most)} ({found.text(2)})"


def _least_rate(name: str, least: float, results: Results) -> str:
    what = f"{name} ≥ {least:,} events/s"
    if not results.get(name):
        return f"{what}: not measured"
    found = spread([run.per_s for run in results[name]])
    return f"{what}: {_word(found.median >= least)} ({found.text()})"


def _equality(results: Results) -> str:
    compared = [(name, run) for name, runs in results.items() for run in runs]
    summed = [(name, run) for name, run in compared if run.difference is not None]
    wrong = [f"{name}: {run.difference}" for name, run in summed if run.difference]
    what = "count and sum of every window equal in every run"
    return f"{what}: {_word(not wrong)} ({'; '.join(wrong) or f'{len(summed)} runs compared'})"


def _word(reached: bool) -> str:  # noqa: FBT001
    return "reached" if reached else "**not reached**"
