"""Our own detectors as the benchmark runs them: one judge over rows and columns, row by row."""

from collections.abc import Mapping
from typing import Final, Protocol

import numpy as np

from detectors.banks.base import Bools, Floats, Rows
from detectors.banks.ensemble import EnsembleBank
from detectors.bench.labelled import Labelled

OURS: Final = "tidegate"


class Judge(Protocol):
    """Judges rows of values, float64[n, columns] with NaN where one is missing, then learns."""

    def step(self, rows: Rows, values: Floats) -> tuple[Floats, Mapping[str, Floats]]:
        """For each row a score, 1.0 is the boundary; and what each member alone would have said."""
        ...


class MakeJudge(Protocol):
    """For windows of so many seconds; chance comes from the seed."""

    def __call__(self, *, step_s: float, seed: int) -> Judge: ...


def scores_of(make: MakeJudge, file: Labelled, seed: int) -> dict[str, Floats]:
    """By name: ours, and each of its members alone."""
    judge = make(step_s=file.step_s, seed=seed)
    row = np.array([0])
    ours, members = np.zeros(len(file.times)), dict[str, Floats]()
    for at, values in enumerate(file.values):
        score, alone = judge.step(row, values[None, :])
        ours[at] = score[0]
        for name, said in alone.items():
            members.setdefault(name, np.zeros_like(ours))[at] = said[0]
    return {OURS: ours} | {f"{OURS}: {name}": scores for name, scores in members.items()}


class RankedEnsemble:
    """The bank that runs live, with its rank for a score: a benchmark compares all windows.

    Its spans are so many windows, whatever these last: sets have one row a second or an hour.
    """

    def __init__(self, *, step_s: float, seed: int) -> None:
        self._bank = EnsembleBank(
            memory_s=50_000 * step_s,
            fast_memory_s=50 * step_s,
            lasts_s=3 * step_s,
            seed=seed,
            step_s=step_s,
        )

    def step(self, rows: Rows, values: Floats) -> tuple[Floats, Mapping[str, Floats]]:
        here = np.asarray(np.isfinite(values).any(axis=1), np.bool_)
        judged = self._bank.judge(rows[here], values[here])
        self._bank.learn(rows[here], values[here])
        return _everywhere(judged.rank, here), {
            name: _everywhere(said, here) for name, said in judged.members.items()
        }


def _everywhere(of_some: Floats, here: Bools) -> Floats:
    """0 where nothing is known."""
    result = np.zeros(here.size)
    result[here] = of_some
    return result


JUDGE: Final[MakeJudge] = RankedEnsemble
"""What Tidegate runs, with its defaults."""
