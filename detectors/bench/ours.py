"""Our own detectors as the benchmark runs them: one judge over rows and columns, row by row."""

from collections.abc import Mapping
from typing import Final, Protocol

import numpy as np

from detectors.banks.base import Floats, Rows
from detectors.bench.labelled import Labelled
from detectors.ensemble import Ensemble

OURS: Final = "tidegate"


class Judgement(Protocol):
    """What the benchmark reads of a judgement; one entry per row."""

    @property
    def score(self) -> Floats:
        """1.0 is the boundary."""
        ...

    @property
    def members(self) -> Mapping[str, Floats]:
        """What each member alone would have said."""
        ...


class Judge(Protocol):
    """Judges rows of values, float64[n, columns] with NaN where one is missing, then learns."""

    def step(self, rows: Rows, values: Floats) -> Judgement: ...


class MakeJudge(Protocol):
    """Of rows with so many columns, at windows of so many seconds; chance comes from the seed."""

    def __call__(self, *, columns: int, step_s: float, seed: int) -> Judge: ...


def scores_of(make: MakeJudge, file: Labelled, seed: int) -> dict[str, Floats]:
    """By name: ours, and each of its members alone."""
    judge = make(columns=file.values.shape[1], step_s=file.step_s, seed=seed)
    row = np.array([0])
    ours, members = np.zeros(len(file.times)), dict[str, Floats]()
    for at, values in enumerate(file.values):
        judgement = judge.step(row, values[None, :])
        ours[at] = judgement.score[0]
        for name, score in judgement.members.items():
            members.setdefault(name, np.zeros_like(ours))[at] = score[0]
    return {OURS: ours} | {f"{OURS}: {name}": scores for name, scores in members.items()}


JUDGE: Final[MakeJudge] = Ensemble
"""What Tidegate runs, with its defaults."""
