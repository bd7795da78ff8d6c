"""Scores of all files of a set in, what they are worth out: a ratio of sums over the files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np

from detectors.banks.base import Floats
from detectors.bench.labelled import Labelled, filled
from detectors.bench.scores.alerts import AlertCount, AlertTruth, added, thresholds_for
from detectors.bench.scores.nab import NabTruth, best_threshold, raised
from detectors.bench.scores.ranking import auc_pr, period, vus_pr

BUDGETS: Final = (0.1, 0.3)
"""False alerts a day of one series."""
SPLITS: Final = 10
"""So often the files are parted in halves by chance; each is judged by the other's threshold."""
BOUNDARY: Final = 1.0
"""The threshold nobody chose: where our own score says that something is wrong."""

Halves = tuple[tuple[int, ...], tuple[int, ...]]
"""Places of files: those a threshold is chosen on, those it is judged on."""


@dataclass(frozen=True, slots=True)
class Worth:
    """``sum(got) / sum(of)`` over files; a file without anything to find has 0 in both.

    also: what else a reader wants to know.
    """

    got: Floats
    of: Floats
    also: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def value(self) -> float | None:
        return float(self.got.sum() / self.of.sum()) if self.of.sum() > 0 else None


class Judged:
    """Files of one set and what all their judges need to know of them."""

    def __init__(self, files: Sequence[Labelled], seed: int) -> None:
        self.files = files
        self.halves = _halves(len(files), seed)

    @cached_property
    def alerts(self) -> Sequence[AlertTruth]:
        return [AlertTruth(file) for file in self.files]

    @cached_property
    def nab(self) -> Sequence[NabTruth]:
        return [NabTruth(file) for file in self.files]


Measure = Callable[[Judged, Sequence[Floats]], Mapping[str, Worth]]


def ranked(judged: Judged, scores: Sequence[Floats]) -> Mapping[str, Worth]:
    """VUS-PR and AUC-PR of the rows behind the training part or, without one, of all rows.

    ``_after``: of the rows behind probation, which are those that alerts are judged on.
    """
    pairs = list(zip(judged.files, scores, strict=True))
    found = {
        "vus_pr": _mean([_ranking(file, score, file.trained) for file, score in pairs]),
        "auc_pr": _mean([_precision(file, score, file.trained) for file, score in pairs]),
    }
    if any(file.trained < file.begin for file in judged.files):
        after = _mean([_ranking(file, score, file.begin) for file, score in pairs])
        found["vus_pr_after"] = after
    return found


def alerted(judged: Judged, scores: Sequence[Floats]) -> Mapping[str, Worth]:
    """Recall of events at budgets, thresholds from the other half; and at the boundary."""
    truths = judged.alerts
    pairs = list(zip(truths, scores, strict=True))
    found = {"recall_boundary": _recall([[t.count(s, BOUNDARY) for t, s in pairs]])}
    if not judged.halves:
        return found
    rounds: dict[float, list[list[AlertCount]]] = {budget: [] for budget in BUDGETS}
    for split in judged.halves:
        counts = _crossed(split, truths, scores)
        for budget in BUDGETS:
            rounds[budget].append(counts[budget])
    return found | {f"recall_{budget}": _recall(rounds[budget]) for budget in BUDGETS}


def nab_scored(judged: Judged, scores: Sequence[Floats]) -> Mapping[str, Worth]:
    """NAB's standard profile at the other half's threshold, the best in hindsight, the boundary.

    Alarms are alerts raised, for all alike; ``nab_every_row`` takes every row that is high for one.
    """
    truths = judged.nab
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
    if judged.halves:
        found["nab_halves"] = worth([_gains(split, truths, alerts) for split in judged.halves])
    return found


MEASURES: Final[Mapping[str, Sequence[Measure]]] = {
    "asd": (ranked, alerted),
    "ms_cloud": (ranked, alerted),
    "nab": (nab_scored,),
    "smd": (ranked, alerted),
}


def _halves(files: int, seed: int) -> Sequence[Sequence[Halves]]:
    """For each split both ways round; none for a single file."""
    if files < 2:
        return []
    rng, cut = np.random.default_rng(seed), files // 2
    orders = [tuple(rng.permutation(files).tolist()) for _ in range(SPLITS)]
    return [((o[:cut], o[cut:]), (o[cut:], o[:cut])) for o in orders]


def _mean(values: Sequence[float | None]) -> Worth:
    got = np.array([value or 0.0 for value in values])
    return Worth(got, np.array([float(value is not None) for value in values]))


def _ranking(file: Labelled, score: Floats, start: int) -> float | None:
    label = file.label[start:]
    lag = period(filled(file.values[start:, :1])[:, 0])
    return vus_pr(label, score[start:], lag) if label.any() else None


def _precision(file: Labelled, score: Floats, start: int) -> float | None:
    label = file.label[start:]
    return auc_pr(label, score[start:]) if label.any() else None


def _crossed(
    split: Sequence[Halves], truths: Sequence[AlertTruth], scores: Sequence[Floats]
) -> dict[float, list[AlertCount]]:
    """By budget: of each file, at the threshold chosen on the half that it is not in."""
    found: dict[float, dict[int, AlertCount]] = {budget: {} for budget in BUDGETS}
    for chosen, judged in split:
        some = [truths[at] for at in chosen], [scores[at] for at in chosen]
        for budget, threshold in zip(BUDGETS, thresholds_for(*some, BUDGETS), strict=True):
            found[budget] |= {at: truths[at].count(scores[at], threshold) for at in judged}
    return {budget: [counts[at] for at in sorted(counts)] for budget, counts in found.items()}


def _recall(rounds: Sequence[Sequence[AlertCount]]) -> Worth:
    """The mean of rounds, each with a count for each file."""
    totals = [added(counts) for counts in rounds]
    every = added(totals)
    delays = every.delays_s
    recalls = [total.hits / total.events for total in totals if total.events]
    return Worth(
        np.mean([[count.hits for count in counts] for counts in rounds], axis=0),
        np.array([float(count.events) for count in rounds[0]]),
        {
            "false_per_day": every.false_alerts / every.days if every.days else None,
            "delay_median_s": float(np.median(delays)) if delays else None,
            "delay_p90_s": float(np.percentile(delays, 90)) if delays else None,
            "lowest": min(recalls, default=None),
            "highest": max(recalls, default=None),
        },
    )


def _gains(
    split: Sequence[Halves], truths: Sequence[NabTruth], scores: Sequence[Floats]
) -> list[float]:
    gains: dict[int, float] = {}
    for chosen, judged in split:
        threshold = best_threshold([truths[at] for at in chosen], [scores[at] for at in chosen])
        gains |= {at: truths[at].gain(scores[at], threshold) for at in judged}
    return [gains[at] for at in sorted(gains)]
