"""One detector end to end: values of a window in, what it thinks of each series out."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final, Literal

import msgspec
import numpy as np

from detectors.banks import BANKS
from detectors.banks.base import Bank, Bools, Floats, Rows, cleared, grown
from detectors.calibrate import Calibration, CalibrationState
from detectors.load import LoadCurves, LoadState
from detectors.settings import DetectorSettings
from detectors.smooth import Smooth, SmoothState
from streams.errors import InvalidParameterError
from streams.packing import pack, unpack

FIXED: Final = frozenset({"burn_rate", "fellows", "limit", "resets", "rise", "together"})
"""Banks whose boundary has a fixed meaning: not calibrated, never protected from learning."""
RELEARN_S: Final = 120.0
"""What scores above 1 is not learned, or an outage would become normal; but only this long: what
lasts is the new normal."""

LOAD_LAG_S: Final = 10.0
"""A load curve learns at least so late, also where the bank itself must not."""


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
    raw: Floats
    """The bank's score on the detector's side, before calibration."""
    column: Rows


@dataclass(slots=True)
class _Strange:
    windows: Floats
    """How many windows in a row the bank scored 1 or more."""


@dataclass(frozen=True, slots=True)
class _Lesson:
    """One window as it will be learned."""

    rows: Rows
    inputs: Floats
    smoothed: Floats
    raw: Floats
    weights: Floats
    tail_weights: Floats

    def without(self, row: int) -> "_Lesson":
        keep = self.rows != row
        if keep.all():
            return self
        return _Lesson(*(getattr(self, field.name)[keep] for field in fields(self)))


@dataclass(slots=True, kw_only=True)
class MemberState:
    """Everything a snapshot has to keep."""

    bank: msgspec.Raw
    """The bank's own state, packed: its type is known to the bank only."""
    smooth: list[SmoothState]
    load: LoadState | None
    calibration: CalibrationState
    strange: _Strange
    lessons: list[_Lesson]
    schema: Literal[1] = 1


_NONE: Final = np.zeros(0)
_NO_ROWS: Final = np.zeros(0, np.int64)
_NOTHING_NEW: Final = _Lesson(_NO_ROWS, _NONE, _NONE, _NONE, _NONE, _NONE)
_NOTHING: Final = Judged(
    _NO_ROWS, _NONE, _NONE, _NONE, _NONE, _NONE, np.zeros(0, np.bool_), _NONE, _NO_ROWS
)


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
        self._lag = round(settings.lag_s / step_s) if self.learned else 0
        self._load_lag = max(self._lag, round(LOAD_LAG_S / step_s))
        self._lessons: list[_Lesson] = []
        """As many windows as the longer of the two lags has."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the values it needs, the load last."""
        given = self.settings.given
        return (*self.settings.values, given) if given else self.settings.values

    @property
    def state(self) -> MemberState:
        return MemberState(
            bank=msgspec.Raw(pack(self._bank.state)),
            smooth=[smooth.state for smooth in self._smooth],
            load=self._load.state if self._load else None,
            calibration=self._calibration.state,
            strange=self._strange,
            lessons=self._lessons,
        )

    @state.setter
    def state(self, state: MemberState) -> None:
        self._bank.state = unpack(state.bank, type(self._bank.state))
        for smooth, kept in zip(self._smooth, state.smooth, strict=True):
            smooth.state = kept
        if self._load and state.load:
            self._load.state = state.load
        self._calibration.state = state.calibration
        self._strange, self._lessons = state.strange, state.lessons

    def admit(self, row: int, labels: Mapping[str, str]) -> None:
        self._bank.admit(row, labels)
        self._calibration.admit(row)
        self._strange = cleared(self._strange, row)
        for smooth in self._smooth:
            smooth.admit(row)
        # What a former series of the row still had to teach is not the newcomer's past.
        self._lessons = [lesson.without(row) for lesson in self._lessons]
        if self._load is not None:
            self._load.admit(row, labels)

    def step(
        self, rows: Rows, inputs: Floats, alpha: float, tolerances: Floats | float = 1.0
    ) -> Judged:
        """Judge ``inputs`` (float64[n, len(self.inputs)], finite), then learn from them.

        tolerances: by row, so many times further out than it was learned lies the boundary; one
            with a fixed meaning stays where it is.
        """
        if rows.size == 0:
            self._recall(_NOTHING_NEW)
            return _NOTHING
        values = inputs[:, : len(self.settings.values)]
        usual = self._usual(rows, inputs)
        relative = values / usual[:, None]
        smoothed = self._smoothed(rows, relative)
        judged = self._judge(rows, smoothed, usual, alpha, tolerances)
        self._recall(self._lesson(rows, inputs, smoothed, judged.raw))
        for smooth, column in zip(self._smooth, relative.T, strict=True):
            smooth.learn(rows, column)
        return judged

    def tail_probability(self, row: int, raw: float, alpha: float) -> float | None:
        """How likely the series' own past makes such a raw score; None for a fixed meaning."""
        if not self.learned:
            return None
        one = np.array([row]), np.array([raw])
        return float(self._calibration.tail_probability(*one, alpha)[0])

    def _judge(
        self,
        rows: Rows,
        smoothed: Floats,
        usual: Floats,
        alpha: float,
        tolerances: Floats | float,
    ) -> Judged:
        reading = self._bank.explain(rows, _narrow(smoothed))
        raw = np.where(self._on_the_side(reading.above), reading.score, 0.0)
        score, reach = raw, np.ones(rows.size)
        if self.learned:
            score = self._calibration.score(rows, raw / tolerances, alpha)
            reach = self._calibration.boundary(rows, alpha) * tolerances
        actual = smoothed[np.arange(rows.size), reading.column] * usual
        expected = reading.expected * usual
        least = np.maximum(self.settings.min_abs, self.settings.min_ratio * np.abs(expected))
        far = np.abs(actual - expected) >= least
        above = np.maximum((reading.upper - reading.expected) * reach * usual, least)
        below = np.maximum((reading.expected - reading.lower) * reach * usual, least)
        return Judged(
            rows=rows,
            score=np.where(far, score, np.minimum(score, 0.99)),
            actual=actual,
            expected=expected,
            lower=expected - below
            if self.settings.direction != "above"
            else np.full_like(reach, -np.inf),
            upper=expected + above
            if self.settings.direction != "below"
            else np.full_like(reach, np.inf),
            above=reading.above,
            raw=raw,
            column=reading.column,
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

    def _recall(self, lesson: _Lesson) -> None:
        """Learn what is old enough: what is happening now is not yet the past."""
        self._lessons.append(lesson)
        if len(self._lessons) > self._lag:
            self._learn(self._lessons[-1 - self._lag])
        if len(self._lessons) > self._load_lag:
            self._learn_load(self._lessons[-1 - self._load_lag])
        del self._lessons[: -max(self._lag, self._load_lag, 1)]

    def _learn(self, old: _Lesson) -> None:
        if old.rows.size == 0:
            return
        self._bank.learn(old.rows, _narrow(old.smoothed), old.weights)
        if self.learned:
            self._calibration.learn(old.rows, old.raw, old.tail_weights)

    def _learn_load(self, old: _Lesson) -> None:
        if self._load is None or old.rows.size == 0:
            return
        # Nor what was the beginning of something strange, as we know by now.
        strange = grown(self._strange, old.rows).windows[old.rows]
        usual = (strange == 0) | (strange > self._relearn)
        self._load.learn(old.rows, old.inputs[:, 0], old.inputs[:, -1], old.weights * usual)

    def _lesson(self, rows: Rows, inputs: Floats, smoothed: Floats, raw: Floats) -> _Lesson:
        strange = self._strange = grown(self._strange, rows)
        strange.windows[rows] = np.where(raw >= 1, strange.windows[rows] + 1, 0)
        protected = self.learned & (strange.windows[rows] <= self._relearn)
        # From half way to the boundary on, or what creeps up would widen its own band.
        doubt = np.clip(2 - 2 * raw, 0.0, 1.0)
        weights = np.where(protected, doubt, 1.0)
        tail_weights = np.where(protected & (raw >= 1), 0.0, 1.0)
        return _Lesson(rows, inputs, smoothed, raw, weights, tail_weights)


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
