"""Areas under precision and recall, row by row and without point adjustment; no threshold."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from detectors.banks.base import Bools, Floats, Rows
from detectors.bench.labelled import Labelled, Windows, filled, runs
from detectors.bench.worth import Splits, Worth

THRESHOLDS: Final = 250
LAGS: Final = range(3, 401)
LONGEST_PERIOD: Final = 300
NO_PERIOD: Final = 125
"""The period taken where none shows, as TSB-AD does."""


def auc_pr(label: Bools, score: Floats) -> float:
    """Average precision: the mean of precision at each step of recall.

    >>> round(auc_pr(np.array([True, False, True]), np.array([3.0, 2.0, 1.0])), 3)
    0.833
    """
    order = np.argsort(-score, kind="stable")
    ranked, hit = score[order], label[order]
    ends = np.append(ranked[1:] != ranked[:-1], np.True_)  # equal scores alarm together
    hits, alarms = np.cumsum(hit)[ends], np.flatnonzero(ends) + 1
    return float(np.sum(np.diff(hits / label.sum(), prepend=0.0) * hits / alarms))


def vus_pr(label: Bools, score: Floats, period: int) -> float:
    """Volume under the precision-recall surface: areas averaged over margins of 0 to ``period``.

    Rows up to half a margin before and behind an event count in part, by a square-root ramp, and
    recall is multiplied by the share of events touched (Paparrizos et al., VLDB 2022, as TSB-AD
    computes it). The label must have an event.
    """
    surface = _Surface(label, score)
    return sum(surface.area(margin) for margin in range(period + 1)) / (period + 1)


class _Surface:
    """Precision and recall at a number of thresholds, from the highest score to the lowest."""

    def __init__(self, label: Bools, score: Floats) -> None:
        ascending = np.sort(score)
        at = np.linspace(0, label.size - 1, THRESHOLDS).astype(np.int64)
        thresholds = ascending[::-1][at]
        self._label, self._events = label, runs(label)
        self._alarms = label.size - np.searchsorted(ascending, thresholds, side="left")
        self._first = np.searchsorted(-thresholds, -score, side="left")
        """By row: the first threshold that it reaches."""
        self._inside = self._reached(np.flatnonzero(label))

    def area(self, margin: int) -> float:
        ramp = _ramp(self._label, self._events, margin)
        rows = np.flatnonzero(ramp)
        around = self._reached(rows, ramp[rows])
        hits = self._inside + around
        share = np.minimum(hits / (self._label.sum() + around / 2), 1.0)
        recall = share * self._touched(margin // 2)
        return float(np.sum(np.diff(recall, prepend=0.0) * hits / self._alarms))

    def _reached(self, rows: Rows, weights: Floats | None = None) -> Floats:
        """By threshold: the weight of the rows that reach it."""
        counts = np.bincount(self._first[rows], weights, minlength=THRESHOLDS + 1)
        return np.cumsum(counts[:THRESHOLDS], dtype=np.float64)

    def _touched(self, reach: int) -> Floats:
        """By threshold: the share of widened events that an alarm lies in."""
        best = [
            self._first[start : end + 1].min()
            for start, end in _widened(self._events, reach, self._label.size)
        ]
        return np.searchsorted(np.sort(best), np.arange(THRESHOLDS), side="right") / len(best)


def _ramp(label: Bools, events: Windows, margin: int) -> Floats:
    reach = margin // 2
    far = np.arange(1, reach + 1)
    height = np.sqrt(1 - far / margin)
    ramp = np.zeros(label.size + 2 * reach)  # so that no event is too near to an end
    for first, last in events:
        ramp[reach + first - far] += height
        ramp[reach + last + far] += height
    ramp = ramp[reach : reach + label.size]
    return np.where(label, 0.0, np.minimum(ramp, 1.0))


def _widened(events: Windows, reach: int, rows: int) -> Iterator[tuple[int, int]]:
    """Events that meet when widened are one."""
    start, end = events[0]
    for first, last in events[1:]:
        if end + reach < first - reach:
            yield max(start - reach, 0), end + reach
            start = first
        end = last
    yield max(start - reach, 0), min(end + reach, rows - 1)


def period(column: Floats) -> int:
    """The lag of the highest peak of autocorrelation, in rows."""
    x = column[:20_000] - column[:20_000].mean()
    spectrum = np.fft.rfft(x, 2 * len(x))
    correlation = np.fft.irfft(spectrum * np.conj(spectrum))[: LAGS.stop]
    if not correlation[0] > 0:
        return NO_PERIOD
    height = (correlation / correlation[0])[LAGS.start :]
    peaks = np.flatnonzero((height[1:-1] > height[:-2]) & (height[1:-1] > height[2:])) + 1
    if not peaks.size:
        return NO_PERIOD
    best = int(peaks[np.argmax(height[peaks])])
    # TSB-AD compares the place among the lags, not the lag.
    return best + LAGS.start if LAGS.start <= best <= LONGEST_PERIOD else NO_PERIOD


def ranked(files: Sequence[Labelled], _: Splits, scores: Sequence[Floats]) -> Mapping[str, Worth]:
    """VUS-PR and AUC-PR of the rows behind the training part or, without one, of all rows.

    ``_after``: of the rows behind probation, which are those that alerts are judged on.
    """
    pairs = list(zip(files, scores, strict=True))
    found = {
        "vus_pr": _mean([_ranking(file, score, file.trained) for file, score in pairs]),
        "auc_pr": _mean([_precision(file, score, file.trained) for file, score in pairs]),
    }
    if any(file.trained < file.begin for file in files):
        after = _mean([_ranking(file, score, file.begin) for file, score in pairs])
        found["vus_pr_after"] = after
    return found


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
