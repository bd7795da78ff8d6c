"""What a person on call would get of a threshold: events caught, how late, and false alerts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.banks.base import Bools, Floats
from detectors.bench.labelled import Labelled
from detectors.bench.worth import BOUNDARY, Half, Splits, Worth

QUIET_S: Final = 3600.0
"""An alert that lasts is raised again this much later: alarming for ever is not cheap."""
LATE_S: Final = 600.0
"""An alert so long after the end of an event still belongs to it."""
DAY_S: Final = 86_400.0
CANDIDATES: Final = 200
BUDGETS: Final = (0.1, 0.3)
"""False alerts a day of one series."""


@dataclass(frozen=True, slots=True)
class AlertCount:
    """Of one file at one threshold; ``days`` are those outside of events."""

    hits: int
    events: int
    false_alerts: int
    days: float
    delays_s: tuple[float, ...]


class AlertTruth:
    """The events of a file; an event is caught by the first alert in it or shortly after.

    Every alert outside of all events and what follows them is false.
    """

    def __init__(self, file: Labelled) -> None:
        self._times, self._begin = file.times, file.begin
        events = [window for window in file.windows if window[1] >= file.begin]
        self._starts = np.array([file.times[first] for first, _ in events])
        self._ends = np.array([file.times[last] + LATE_S for _, last in events])
        judged = file.times[file.begin :]
        self._days = float((~self._inside(judged).any(axis=0)).sum()) * file.step_s / DAY_S

    def count(self, score: Floats, threshold: float) -> AlertCount:
        raised = self._raised(score, threshold)
        inside = self._inside(raised)
        caught = inside.any(axis=1)
        first = raised[inside.argmax(axis=1)[caught]] if raised.size else raised
        return AlertCount(
            hits=int(caught.sum()),
            events=len(self._starts),
            false_alerts=int((~inside.any(axis=0)).sum()),
            days=self._days,
            delays_s=tuple((first - self._starts[caught]).tolist()),
        )

    def _inside(self, times: Floats) -> Bools:
        """[event, time]."""
        inside: Bools = (times >= self._starts[:, None]) & (times <= self._ends[:, None])
        return inside

    def _raised(self, score: Floats, threshold: float) -> Floats:
        """Times of alerts."""
        above = self._times[self._begin :][score[self._begin :] >= threshold]
        raised, last = [], -np.inf
        for time in above.tolist():
            if time - last >= QUIET_S:
                raised.append(time)
                last = time
        return np.array(raised)


def added(counts: Sequence[AlertCount]) -> AlertCount:
    """All files as one."""
    return AlertCount(
        hits=sum(count.hits for count in counts),
        events=sum(count.events for count in counts),
        false_alerts=sum(count.false_alerts for count in counts),
        days=sum(count.days for count in counts),
        delays_s=tuple(delay for count in counts for delay in count.delays_s),
    )


def thresholds_for(
    truths: Sequence[AlertTruth], scores: Sequence[Floats], budgets: Sequence[float]
) -> list[float]:
    """For each budget of false alerts a day: the threshold of highest recall within it.

    Infinite, so that nothing alarms, where no candidate keeps to it.
    """
    best = dict.fromkeys(budgets, (-1, np.inf))
    shares = 1 - np.logspace(-5.5, -0.7, CANDIDATES)
    for threshold in np.unique(np.quantile(np.concatenate(scores), shares)).tolist():
        pairs = zip(truths, scores, strict=True)
        total = added([truth.count(score, threshold) for truth, score in pairs])
        for budget in budgets:
            within = total.days > 0 and total.false_alerts / total.days <= budget
            if within and total.hits > best[budget][0]:
                best[budget] = (total.hits, threshold)
    return [best[budget][1] for budget in budgets]


def alerted(
    files: Sequence[Labelled], splits: Splits, scores: Sequence[Floats]
) -> Mapping[str, Worth]:
    """Recall of events at budgets, thresholds from the other half; and at the boundary."""
    truths = [AlertTruth(file) for file in files]
    pairs = list(zip(truths, scores, strict=True))
    found = {"recall_boundary": _recall([[t.count(s, BOUNDARY) for t, s in pairs]])}
    if not splits:
        return found
    rounds: dict[float, list[list[AlertCount]]] = {budget: [] for budget in BUDGETS}
    for split in splits:
        counts = _crossed(split, truths, scores)
        for budget in BUDGETS:
            rounds[budget].append(counts[budget])
    return found | {f"recall_{budget}": _recall(rounds[budget]) for budget in BUDGETS}


def _crossed(
    split: Sequence[Half], truths: Sequence[AlertTruth], scores: Sequence[Floats]
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
        {
            "false_alerts": np.mean(
                [[c.false_alerts for c in counts] for counts in rounds], axis=0
            ),
            "days": np.array([count.days for count in rounds[0]]),
        },
    )
