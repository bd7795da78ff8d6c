"""Our own detectors as the benchmark runs them: one judge over rows and columns, row by row."""

from collections.abc import Mapping
from typing import Final, Protocol

import numpy as np

from detectors.banks import BANKS
from detectors.banks.base import Bank, Floats, Rows
from detectors.bench.labelled import Labelled

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


class _Said:
    def __init__(self, members: Mapping[str, Floats]) -> None:
        self.members = members
        self.score = np.maximum.reduce(list(members.values()))


class BankJudge:
    """The highest of what some of the banks say of any column, each with its defaults.

    Its windows count as seconds, which is what the banks' defaults are made for.
    """

    def __init__(self, *, columns: int, step_s: float, seed: int) -> None:  # noqa: ARG002
        names = ("ewma",)
        self._banks: dict[str, Bank] = {name: BANKS[name]() for name in names}
        self._columns = columns

    def step(self, rows: Rows, values: Floats) -> Judgement:
        cells = (rows[:, None] * self._columns + np.arange(self._columns)).ravel()
        known = np.isfinite(values).ravel()
        said = {}
        for name, bank in self._banks.items():
            scores = np.zeros(cells.size)
            scores[known] = bank.score(cells[known], values.ravel()[known])
            bank.learn(cells[known], values.ravel()[known])
            said[name] = scores.reshape(values.shape).max(axis=1)
        return _Said(said)


JUDGE: Final[MakeJudge] = BankJudge
"""What Tidegate runs, with its defaults."""
