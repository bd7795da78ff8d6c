"""A value and the load it was measured at in, what alike series show at that load out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from detectors.banks.base import Floats, Rows, cleared, grown
from detectors.fellows import group_of

LEVELS: Final = 64
"""Loads of this and above share the last level."""
MAX_GROUPS: Final = 1_024
"""Groups with a curve; the one that learned longest ago makes room for a new one."""
GROUPED_BY: Final = ("cluster", "pool")


@dataclass(slots=True)
class _Curve:
    seen: Floats
    log_mean: Floats


@dataclass(slots=True)
class LoadState:
    """Everything a snapshot has to keep."""

    group: Rows
    """By row."""
    curves: dict[int, _Curve] = field(default_factory=dict, kw_only=True)
    """By group, the one that learned longest ago first."""
    schema: Literal[1] = field(default=1, kw_only=True)


class LoadCurves:
    """Latency and power rise with load: judged without it, every surge is an anomaly.

    Per group of alike series and whole number of load, an exponentially weighted mean of the
    value's logarithm. At a load not seen often enough, the greater of what the next higher load
    shows and of what the lower ones lead to: in proportion, or with two of them known, with the
    power of the load that they show (bound by memory an engine is as fast at any load, bound by
    compute it is not). A group without any: the value itself.

    half_life_s: seconds of observation of one series after which one counts half.
    enough: observations of a level before it is believed.
    """

    def __init__(self, *, half_life_s: float = 300.0, enough: int = 5, step_s: float) -> None:
        self._weight = 1 - 0.5 ** (step_s / half_life_s)
        self._enough = enough
        self.state = LoadState(np.zeros(0, np.int64))

    def admit(self, row: int, labels: Mapping[str, str]) -> None:
        state = self.state = cleared(self.state, row)
        state.group[row] = group_of(labels, GROUPED_BY)

    def expected(self, rows: Rows, values: Floats, load: Floats) -> Floats:
        """What alike series show at ``load``; positive. Changes nothing."""
        groups = grown(self.state, rows).group[rows].tolist()
        pairs = zip(groups, _level(load).tolist(), strict=True)
        logs = np.array([self._at(group, level) for group, level in pairs])
        return np.where(np.isnan(logs), np.maximum(values, 1e-9), np.exp(logs))

    def learn(self, rows: Rows, values: Floats, load: Floats, weights: Floats) -> None:
        """Take values in; those that are not above 0 have no logarithm and are passed over."""
        groups = grown(self.state, rows).group[rows].tolist()
        entries = zip(groups, _level(load).tolist(), values.tolist(), weights.tolist(), strict=True)
        for group, level, value, weight in entries:
            if value > 0 and weight > 0:
                self._learn(group, level, float(np.log(value)), weight)

    def _learn(self, group: int, level: int, log: float, weight: float) -> None:
        curves = self.state.curves
        curve = curves.pop(group, None) or _Curve(np.zeros(LEVELS), np.zeros(LEVELS))
        curves[group] = curve
        if len(curves) > MAX_GROUPS:
            del curves[next(iter(curves))]
        gain = weight * max(self._weight, 1 / (curve.seen[level] + 1))
        curve.log_mean[level] += gain * (log - curve.log_mean[level])
        curve.seen[level] += weight

    def _at(self, group: int, level: int) -> float:
        curve = self.state.curves.get(group)
        if curve is None:
            return np.nan
        known = np.flatnonzero(curve.seen >= self._enough)
        at = int(np.searchsorted(known, level))
        if at < known.size and known[at] == level:
            return float(curve.log_mean[level])
        candidates = []
        if at < known.size:
            candidates.append(float(curve.log_mean[known[at]]))
        if at > 0:
            lower = known[at - 1]
            rise = _slope(curve, known[:at]) * np.log(level / lower)
            candidates.append(float(curve.log_mean[lower] + rise))
        # The greater: a load we know too little of must not make a value look high.
        return max(candidates, default=np.nan)


def _slope(curve: _Curve, known: Rows) -> float:
    """Power of the load that the value goes with; 1 until two levels are known."""
    if known.size < 2:
        return 1.0
    low, high = known[0], known[-1]
    slope = (curve.log_mean[high] - curve.log_mean[low]) / np.log(high / low)
    return float(np.clip(slope, 0.0, 1.0))


def _level(load: Floats) -> Rows:
    return np.clip(np.rint(load), 1, LEVELS - 1).astype(np.int64)
