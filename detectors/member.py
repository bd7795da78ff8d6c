"""One detector end to end: values of a window in, what it thinks of each series out."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.banks import BANKS
from detectors.banks.base import Bank, Bools, Floats, Rows, cleared, grown
from detectors.calibrate import Calibration
from detectors.load import LoadCurves
from detectors.settings import DetectorSettings
from detectors.smooth import Smooth
from streams.errors import InvalidParameterError

FIXED: Final = frozenset({"limit", "rise"})
"""Banks whose boundary has a fixed meaning: not calibrated, never protected from learning."""
STRANGE_WEIGHT: Final = 0.05
"""What an anomalous value counts in learning, so that an outage does not become normal,"""
RELEARN_S: Final = 120.0
"""but only this long: what lasts is the new normal."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One entry per row that was judged; values in their own unit."""

    rows: Rows
    score: Floats
    actual: Floats
    expected: Floats
    lower: Floats
    upper: Floats
    above: Bools
    column: Rows
    p: Floats
    """NaN where the detector is not calibrated."""


@dataclass(slots=True)
class _Strange:
    windows: Floats
    """How many windows in a row scored above 1."""


class Member:
    """A bank with what surrounds it: load, smoothing, calibration, least deviations, protection.

    A value is taken relative to the load where asked (``given``), smoothed, read by the bank,
    calibrated, and then held below 1 unless it lies far enough out to matter to anyone.
    """

    def __init__(self, settings: DetectorSettings, *, step_s: float) -> None:
        self.settings = settings
        self.learned = settings.kind not in FIXED
        self._bank = _bank(settings, step_s)
        # One bad first window must not break a rule: there the past counts as good.
        zeros = 0.0 if self.learned else 1e9
        self._smooth = [
            Smooth(half_life_s=settings.smooth_s, step_s=step_s, zeros=zeros)
            for _ in settings.values
        ]
        self._load = LoadCurves(step_s=step_s) if settings.given else None
        self._calibration = Calibration(step_s=step_s)
        self._strange = _Strange(np.zeros(0))
        self._relearn = RELEARN_S / step_s

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the values it needs, the load last."""
        given = self.settings.given
        return (*self.settings.values, given) if given else self.settings.values

    def admit(self, row: int, labels: Mapping[str, str]) -> None:
        self._bank.admit(row, labels)
        self._calibration.admit(row)
        self._strange = cleared(self._strange, row)
        for smooth in self._smooth:
            smooth.admit(row)
        if self._load is not None:
            self._load.admit(row, labels)

    def step(self, rows: Rows, inputs: Floats, alpha: float) -> Judged:
        """Judge ``inputs`` (float64[n, len(self.inputs)], finite), then learn from them."""
        values = inputs[:, : len(self.settings.values)]
        usual = self._usual(rows, inputs)
        relative = values / usual[:, None]
        smoothed = self._smoothed(rows, relative)
        raw, judged = self._judge(rows, smoothed, usual, alpha)
        self._learn(rows, inputs, smoothed, raw, judged.score)
        for smooth, column in zip(self._smooth, relative.T, strict=True):
            smooth.learn(rows, column)
        return judged

    def _judge(
        self, rows: Rows, smoothed: Floats, usual: Floats, alpha: float
    ) -> tuple[Floats, Judged]:
        reading = self._bank.explain(rows, _narrow(smoothed))
        score, p, reach = reading.score, np.full(rows.size, np.nan), np.ones(rows.size)
        if self.learned:
            score = self._calibration.score(rows, reading.score, alpha)
            p = self._calibration.tail_probability(rows, reading.score, alpha)
            reach = self._calibration.boundary(rows, alpha)
        actual = smoothed[np.arange(rows.size), reading.column] * usual
        expected = reading.expected * usual
        least = np.maximum(self.settings.min_abs, self.settings.min_ratio * np.abs(expected))
        far = (np.abs(actual - expected) >= least) & self._on_the_side(reading.above)
        above = np.maximum((reading.upper - reading.expected) * reach * usual, least)
        below = np.maximum((reading.expected - reading.lower) * reach * usual, least)
        return reading.score, Judged(
            rows=rows,
            score=np.where(far, score, np.minimum(score, 0.99)),
            actual=actual,
            expected=expected,
            lower=expected - below
            if self.settings.direction != "above"
            else np.full_like(p, -np.inf),
            upper=expected + above
            if self.settings.direction != "below"
            else np.full_like(p, np.inf),
            above=reading.above,
            column=reading.column,
            p=p,
        )

    def _on_the_side(self, above: Bools) -> Bools:
        match self.settings.direction:
            case "above":
                return above
            case "below":
                return ~above
            case "both":
                return np.ones_like(above)

    def _usual(self, rows: Rows, inputs: Floats) -> Floats:
        if self._load is None:
            return np.ones(rows.size)
        return self._load.expected(rows, inputs[:, 0], inputs[:, -1])

    def _smoothed(self, rows: Rows, values: Floats) -> Floats:
        columns = zip(self._smooth, values.T, strict=True)
        return np.column_stack([smooth.apply(rows, column) for smooth, column in columns])

    def _learn(
        self, rows: Rows, inputs: Floats, smoothed: Floats, raw: Floats, score: Floats
    ) -> None:
        strange = self._strange = grown(self._strange, rows)
        strange.windows[rows] = np.where(score >= 1, strange.windows[rows] + 1, 0)
        held = (score >= 1) & (strange.windows[rows] <= self._relearn)
        weights = np.where(held & self.learned, STRANGE_WEIGHT, 1.0)
        self._bank.learn(rows, _narrow(smoothed), weights)
        if self.learned:
            self._calibration.learn(rows, raw, weights)
        if self._load is not None:
            self._load.learn(rows, inputs[:, 0], inputs[:, -1], weights)


def _bank(settings: DetectorSettings, step_s: float) -> Bank:
    make = BANKS.get(settings.kind)
    if make is None:
        raise InvalidParameterError("detector kind", settings.kind, f"one of {', '.join(BANKS)}")
    known = inspect.signature(make).parameters
    if unknown := sorted(set(settings.options) - set(known)):
        allowed = ", ".join(name for name in known if name != "step_s")
        raise InvalidParameterError(f"option of {settings.kind}", unknown[0], f"one of {allowed}")
    in_steps = {"step_s": step_s} if "step_s" in known else {}
    return make(**settings.options, **in_steps)


def _narrow(values: Floats) -> Floats:
    """[n] for one value, [n, d] for several, as banks want them."""
    return values[:, 0] if values.shape[1] == 1 else values
