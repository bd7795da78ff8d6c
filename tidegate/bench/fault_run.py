"""Seeds in, trials of every fault on each one's cluster out; on as many processes as asked for."""

import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial, reduce
from multiprocessing import get_context
from operator import add
from pathlib import Path
from typing import Final

from detectors.laboratory.readings import KINDS
from detectors.laboratory.report import Quiet
from detectors.laboratory.trial import BEFORE_S, HOUR_S, Bench, Result
from detectors.settings import DetectionSettings
from tidegate.bench.fault_files import load_faults
from tidegate.bench.traffic import azure_or_servegen, fortnight

QUIET_SEED: Final = 1_000_000
"""Quiet time is of other clusters than those that faults befall."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is asked for; each seed is a cluster."""

    directory: Path
    names: tuple[str, ...]
    seeds: tuple[int, ...]
    quiet_hours: int
    quiet_teams: int
    jobs: int
    detection: DetectionSettings


def play(options: Options) -> tuple[list[Result], list[Quiet]]:
    """In the order of seeds and names, whatever the number of processes."""
    trials: list[Result] = []
    quiet: list[Quiet] = []
    for results, calm in _each(options):
        trials += results
        quiet += calm
    return trials, quiet


def _each(options: Options) -> Iterable[tuple[list[Result], list[Quiet]]]:
    work = partial(_cluster, options)
    if options.jobs == 1:
        yield from map(work, options.seeds)
        return
    # Fault files are loaded anew there: functions from outside our packages do not travel.
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, options.seeds)


def _cluster(options: Options, seed: int) -> tuple[list[Result], list[Quiet]]:
    faults = [one for one in load_faults(options.directory) if one.name in options.names]
    bench = Bench(seed, azure_or_servegen, options.detection)
    trials: list[Result] = []
    for fault in faults:
        for magnitude in fault.magnitudes:
            trials.append(bench.trial(fault, magnitude))
            print(trials[-1].sentence(), file=sys.stderr, flush=True)
    return trials, [_quiet(options, seed)] if options.quiet_hours else []


def _quiet(options: Options, seed: int) -> Quiet:
    """Of several teams at once, which costs little more than one; each has its whole budget."""
    teams, settings = options.quiet_teams, options.detection
    budget = settings.false_pages_per_week * teams
    settings = settings.model_copy(update={"false_pages_per_week": budget})
    lasts_s = BEFORE_S + HOUR_S * options.quiet_hours
    traffic = partial(fortnight, lasts_s=lasts_s)
    bench = Bench(QUIET_SEED + seed, traffic, settings, teams=teams)
    hours = list(bench.quiet(options.quiet_hours))
    told, kept = hours[-1][0], reduce(add, (one for _, one in hours))
    return Quiet(
        seed=QUIET_SEED + seed,
        days=options.quiet_hours / 24,
        teams=teams,
        series=sum(len(bench.cluster.labels(kind)) for kind in KINDS),
        pages=tuple(told.incidents[one].title for one in told.paged_s),
        pools=kept.ended.size,
        pools_kept=kept.pools,
        missed_ratio=float(kept.missed.sum() / kept.ended.sum()),
    )
