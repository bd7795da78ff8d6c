"""The score of the Numenta Anomaly Benchmark 1.1, standard profile."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from detectors.banks.base import Floats
from detectors.bench.labelled import Labelled
from detectors.bench.worth import BOUNDARY, Half, Splits, Worth

FALSE_ALARM: Final = 0.11
"""What a false alarm costs at most; a window caught at once is worth 1, one missed costs 1."""
FADES: Final = 3.0
"""So many widths behind a window a false alarm costs the whole."""
QUIET: Final = 200
"""Rows in which an alert is not raised again for a score that is no higher."""


class NabTruth:
    """The windows of a file, and what an alarm at each of its rows is worth.

    In a window only the first alarm counts, the more the earlier; behind one a false alarm costs
    the more the farther. Everything is told as the gain over a detector that never alarms.
    """

    def __init__(self, file: Labelled) -> None:
        rows = len(file.times)
        self._judged = np.arange(rows) >= file.begin
        self._worth = np.full(rows, -FALSE_ALARM)
        outside = np.full(rows, fill_value=True)
        for (first, last), (end, _) in pairwise([*file.windows, (rows, rows)]):
            width = last - first + 1
            inside = np.arange(first, last + 1)
            self._worth[inside] = _sigmoid((inside - last - 1) / width) / _sigmoid(-1.0)
            behind = np.arange(last + 1, end)
            far = (behind - last) / max(width - 1, 1e-12)  # a window of one row has no width
            self._worth[behind] = FALSE_ALARM * np.where(far > FADES, -1.0, _sigmoid(far))
            outside[inside] = False
        self._outside = np.flatnonzero(outside & self._judged)
        windows = (np.arange(first, last + 1) for first, last in file.windows)
        judged = [inside[self._judged[inside]] for inside in windows]
        self._windows = [inside for inside in judged if inside.size]
        self.room = float(len(file.windows) + len(self._windows))
        """What a perfect detector gains."""

    def gain(self, score: Floats, threshold: float) -> float:
        alarm = score >= threshold
        gained = self._worth[self._outside[alarm[self._outside]]].sum()
        for inside in self._windows:
            if alarm[inside].any():
                gained += 1 + self._worth[inside[alarm[inside].argmax()]]
        return float(gained)

    def steps(self, score: Floats) -> Iterator[tuple[Floats, Floats]]:
        """Scores, and what is gained when the threshold sinks to each."""
        yield score[self._outside], self._worth[self._outside]
        for inside in self._windows:
            order = inside[np.argsort(-score[inside], kind="stable")]
            best = np.maximum.accumulate(np.concatenate([[-1.0], self._worth[order]]))
            yield score[order], np.diff(best)


def raised(score: Floats) -> Floats:
    """Scores that are higher than those of the ``QUIET`` rows before, the others sunk to the least.

    NAB counts every row above the threshold as an alarm, so a score that stays high pays for each.

    >>> raised(np.array([1.0, 3.0, 2.0, 4.0, 0.0])).tolist()
    [1.0, 3.0, 0.0, 4.0, 0.0]
    """
    before = np.concatenate([np.full(QUIET, -np.inf), score[:-1]])
    highest = np.lib.stride_tricks.sliding_window_view(before, QUIET).max(axis=1)
    return np.where(score > highest, score, score.min())


def best_threshold(truths: Sequence[NabTruth], scores: Sequence[Floats]) -> float:
    """The threshold of the highest gain over all files; infinite where none gains."""
    pairs = zip(truths, scores, strict=True)
    steps = [step for truth, score in pairs for step in truth.steps(score)]
    score, gain = (np.concatenate(part) for part in zip(*steps, strict=True))
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.diff(score[order]) != 0, np.True_)  # equal scores alarm together
    totals = np.concatenate([[0.0], np.cumsum(gain[order])[ends]])
    return float(np.concatenate([[np.inf], score[order][ends]])[np.argmax(totals)])


def _sigmoid(x: Floats | float) -> Floats:
    return np.asarray(2 / (1 + np.exp(5 * np.minimum(x, FADES))) - 1, np.float64)


def nab_scored(
    files: Sequence[Labelled], splits: Splits, scores: Sequence[Floats]
) -> Mapping[str, Worth]:
    """NAB's standard profile at the other half's threshold, the best in hindsight, the boundary.

    Alarms are alerts raised, for all alike; ``nab_every_row`` takes every row that is high for one.
    """
    truths = [NabTruth(file) for file in files]
    room = np.array([truth.room for truth in truths])

    def worth(gains: Sequence[Sequence[float]]) -> Worth:
        totals = [100 * sum(gain) / room.sum() for gain in gains] if room.sum() else [0.0]
        spread = {"lowest": min(totals), "highest": max(totals)} if len(totals) > 1 else {}
        return Worth(100 * np.mean(gains, axis=0), room, spread)

    def at(threshold: float, scores: Sequence[Floats]) -> Worth:
        pairs = zip(truths, scores, strict=True)
        return worth([[truth.gain(score, threshold) for truth, score in pairs]])

    alerts = [raised(score) for score in scores]
    found = {
        "nab_best": at(best_threshold(truths, alerts), alerts),
        "nab_every_row": at(best_threshold(truths, scores), scores),
        "nab_boundary": at(BOUNDARY, alerts),
    }
    if splits:
        found["nab_halves"] = worth([_gains(split, truths, alerts) for split in splits])
    return found


def _gains(
    split: Sequence[Half], truths: Sequence[NabTruth], scores: Sequence[Floats]
) -> list[float]:
    gains: dict[int, float] = {}
    for chosen, judged in split:
        threshold = best_threshold([truths[at] for at in chosen], [scores[at] for at in chosen])
        gains |= {at: truths[at].gain(scores[at], threshold) for at in judged}
    return [gains[at] for at in sorted(gains)]
