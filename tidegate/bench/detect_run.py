"""The contests of the sets below a directory, in processes; results as one report."""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from detectors.bench.contest import Contender, Result, contest, of_ours, of_peer, together
from detectors.bench.cost import STEPS, Cost, cost, many_series
from detectors.bench.labelled import Labelled, Refused
from detectors.bench.ours import JUDGE, OURS
from detectors.bench.peers import PEERS
from detectors.bench.sets import SETS, read_set
from detectors.bench.verdict import Verdict, verdicts
from streams.errors import InvalidParameterError

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    data: Path
    peers: Sequence[str]
    jobs: int
    seed: int


Job = tuple[Options, str, str]
"""What was asked for, a set, a contender."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetReport:
    """Of one set; results by contender, a file's figures in the order of ``files``."""

    files: Sequence[Labelled]
    results: Mapping[str, Result]
    verdicts: Sequence[Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """costs: series stepped together -> cost of ours. left_out: peers without their package."""

    seed: int
    sets: Mapping[str, SetReport]
    refused: Sequence[Refused]
    left_out: Mapping[str, str]
    costs: Mapping[int, Cost]


def chosen(names: str) -> tuple[str, ...]:
    """Names of peers, all where none is given.

    >>> chosen("loda, pca_50")
    ('loda', 'pca_50')
    """
    wanted = tuple(filter(None, (name.strip() for name in names.split(",")))) or tuple(PEERS)
    if unknown := set(wanted) - set(PEERS):
        raise InvalidParameterError("--peers", sorted(unknown)[0], f"of {', '.join(PEERS)}")
    return wanted


def play(options: Options, say: Say) -> Report:
    """Raises an InvalidParameterError where there is nothing to judge."""
    files, refused = _read(options.data)
    for file in refused:
        say(f"tidegate: {file.name}: {file.reason}; the others go on")
    left_out = {
        name: PEERS[name].extra
        for name in options.peers
        if PEERS[name].extra and find_spec(PEERS[name].extra) is None
    }
    costs = _costs([file for group in files.values() for file in group], options.seed, say)
    names = [OURS, *(name for name in options.peers if name not in left_out)]
    results = _results(files, names, options, say)
    return Report(
        seed=options.seed,
        sets={
            name: SetReport(
                files=group,
                results=results[name],
                verdicts=verdicts(name, together(results[name].values()), options.seed),
            )
            for name, group in files.items()
        },
        refused=refused,
        left_out=left_out,
        costs=costs,
    )


def _read(data: Path) -> tuple[dict[str, list[Labelled]], list[Refused]]:
    files: dict[str, list[Labelled]] = {}
    refused: list[Refused] = []
    for name in SETS:
        for file in read_set(name, data):
            if isinstance(file, Refused):
                refused.append(file)
            else:
                files.setdefault(name, []).append(file)
    if not files:
        said = "".join(f"; {file.name}: {file.reason}" for file in refused)
        allowed = f"a directory with labelled files in {', '.join(SETS)}"
        raise InvalidParameterError("--data", f"{data}{said}", allowed)
    return files, refused


def _costs(files: Sequence[Labelled], seed: int, say: Say) -> dict[int, Cost]:
    """Before anything runs beside it."""
    found = {}
    for series, windows in STEPS.items():
        values = many_series(files, series, windows, seed)
        found[series] = cost(JUDGE, values, time.process_time, seed)
        say(f"{series} series together: {found[series].us:.2f} µs a value")
    return found


def _results(
    files: Mapping[str, Sequence[Labelled]], names: Sequence[str], options: Options, say: Say
) -> dict[str, dict[str, Result]]:
    found: dict[str, dict[str, Result]] = {name: {} for name in files}
    # The largest first, so that no process is left alone with it at the end.
    sets = sorted(files, key=lambda name: -sum(file.values.size for file in files[name]))
    jobs = [
        (options, set_name, name)
        for name in names
        for set_name in sets
        if name == OURS or _widest(files[set_name]) <= PEERS[name].columns
    ]
    for done, (set_name, name, result) in enumerate(_done(jobs, options.jobs), 1):
        found[set_name][name] = result
        say(f"{done}/{len(jobs)} {set_name}: {name}, {result.us_per_row:.0f} µs a row")
    # In the order of the table, whoever was ready first.
    return {
        set_name: {name: results[name] for name in names if name in results}
        for set_name, results in found.items()
    }


def _widest(files: Sequence[Labelled]) -> int:
    """Columns of the file that has most."""
    return max(int(file.values.shape[1]) for file in files)


def _done(jobs: Sequence[Job], processes: int) -> Iterator[tuple[str, str, Result]]:
    """In the order in which they end."""
    if processes == 1:
        yield from map(_play_one, jobs)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap_unordered(_play_one, jobs)


def _play_one(job: Job) -> tuple[str, str, Result]:
    """Reads for itself: that is quicker than to be sent the files."""
    options, set_name, name = job
    files = [file for file in read_set(set_name, options.data) if isinstance(file, Labelled)]
    contender: Contender = of_ours(JUDGE) if name == OURS else of_peer(name, PEERS[name])
    result = contest(set_name, files, contender, seed=options.seed, clock=time.process_time)
    return set_name, name, result
