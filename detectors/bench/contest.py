"""One contender over all files of a set: what it is worth by each measure, and what it cost."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.banks.base import Floats
from detectors.bench.labelled import Labelled, filled
from detectors.bench.ours import OURS, MakeJudge, scores_of
from detectors.bench.peers.base import Peer
from detectors.bench.scores import MEASURES
from detectors.bench.worth import Worth, splits

Contender = Callable[[Labelled, int], Mapping[str, Floats]]
"""Of a file and a seed: scores of every row, by the names that they have in the tables."""


@dataclass(frozen=True, slots=True)
class Result:
    """worths: measure -> name -> worth. us_per_row: CPU time; a row has all columns of a file.

    not_finite: so many scores were no numbers, and counted as 0.
    """

    worths: Mapping[str, Mapping[str, Worth]]
    us_per_row: float
    not_finite: int


def of_ours(make: MakeJudge) -> Contender:
    return lambda file, seed: scores_of(make, file, seed)


def of_peer(name: str, peer: Peer) -> Contender:
    """Peers cannot do with gaps: they get the last value once more."""
    return lambda file, seed: {name: peer.scores(filled(file.values), seed)}


def contest(
    set_name: str,
    files: Sequence[Labelled],
    contender: Contender,
    *,
    seed: int,
    clock: Callable[[], float],
) -> Result:
    start = clock()
    runs = [contender(file, seed) for file in files]
    spent_s = clock() - start
    worths, not_finite = dict[str, dict[str, Worth]](), 0
    for name in dict.fromkeys(name for run in runs for name in run):
        # A member may be at work on some files only.
        raw = [run.get(name, np.zeros(len(f.times))) for run, f in zip(runs, files, strict=True)]
        not_finite += sum(int((~np.isfinite(score)).sum()) for score in raw)
        for what, worth in _worths(set_name, files, [np.nan_to_num(s) for s in raw], seed):
            if name.startswith(OURS) or not what.endswith("_boundary"):
                worths.setdefault(what, {})[name] = worth
    rows = sum(len(file.times) for file in files)
    return Result(worths, spent_s * 1e6 / rows, not_finite)


def _worths(
    set_name: str, files: Sequence[Labelled], scores: Sequence[Floats], seed: int
) -> Iterator[tuple[str, Worth]]:
    partings = splits(len(files), seed)
    for measure in MEASURES[set_name]:
        yield from measure(files, partings, scores).items()


def together(results: Iterable[Result]) -> dict[str, dict[str, Worth]]:
    """Measure -> contender -> worth, of all contenders."""
    found: dict[str, dict[str, Worth]] = {}
    for result in results:
        for measure, worths in result.worths.items():
            found.setdefault(measure, {}).update(worths)
    return found
