"""One detector of a jury: its bank, the load it judges by, and what it has yet to learn."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

import msgspec
import numpy as np

from detectors.banks import BANKS
from detectors.banks.base import Bank, Floats, Mergeable, Reading, Rows, picked, stacked
from detectors.load import LoadCurves, LoadState
from detectors.settings import DetectorSettings
from streams.errors import InvalidParameterError
from streams.packing import pack, unpack

FIXED: Final = frozenset({"apart", "burn_rate", "fellows", "limit", "resets", "rise", "together"})
"""Banks whose boundary has a fixed meaning: not calibrated, never protected from learning."""
PATCHY: Final = frozenset({"ensemble"})
"""Banks on several values that judge by those that are there."""
LOAD_LAG_S: Final = 10.0
"""A load curve learns at least so late, also where the bank itself must not."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One window as it will be learned; one entry per row."""

    rows: Rows
    smoothed: Floats
    """[row, value]"""
    values: Floats
    """[row, value]: as they came,"""
    load: Floats
    """and the load they came with; both empty of one that is not judged by load."""
    raw: Floats
    weights: Floats
    tail_weights: Floats

    def without(self, row: int) -> "Lesson":
        keep = self.rows != row
        if keep.all():
            return self
        parts = (getattr(self, field.name) for field in fields(self))
        return Lesson(*(part[keep] if part.size else part for part in parts))


@dataclass(slots=True, kw_only=True)
class MemberState:
    """Everything a snapshot has to keep."""

    bank: msgspec.Raw
    """The bank's own state, packed: its type is known to the bank only."""
    loads: list[LoadState]
    lessons: list[Lesson]


class Member:
    """A bank, and when it learns: what is happening now is not yet the past.

    Raises InvalidParameterError for a kind or an option that does not exist.
    """

    def __init__(self, settings: DetectorSettings, *, step_s: float) -> None:
        self.settings = settings
        self.learned = settings.kind not in FIXED
        self.patchy = settings.kind in PATCHY
        self._bank = _bank(settings, step_s)
        curves = len(settings.values) if settings.given else 0
        self._loads = [LoadCurves(step_s=step_s) for _ in range(curves)]
        """By value."""
        self._lag = round(settings.lag_s / step_s) if self.learned else 0
        self._load_lag = max(self._lag, round(LOAD_LAG_S / step_s))
        self._lessons: list[Lesson] = []
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
            loads=[one.state for one in self._loads],
            lessons=self._lessons,
        )

    @state.setter
    def state(self, state: MemberState) -> None:
        self._bank.state = unpack(state.bank, type(self._bank.state))
        for curves, kept in zip(self._loads, state.loads, strict=True):
            curves.state = kept
        self._lessons = state.lessons

    def admit(self, row: int, labels: Mapping[str, str]) -> None:
        self._bank.admit(row, labels)
        # What a former series of the row still had to teach is not the newcomer's past.
        self._lessons = [lesson.without(row) for lesson in self._lessons]
        for curves in self._loads:
            curves.admit(row, labels)

    def known(self, kin: Rows) -> msgspec.Raw | None:
        """What series of a kind have shown, as one, packed; None where that does not add up."""
        bank = self._bank
        if not (self.settings.pooled and isinstance(bank, Mergeable)):
            return None
        return msgspec.Raw(pack(bank.merged(picked(bank.state, kin))))

    def merged(self, known: Sequence[msgspec.Raw]) -> msgspec.Raw:
        """The same of what is known of a kind in several places."""
        assert isinstance(self._bank, Mergeable)  # noqa: S101
        states = [unpack(one, type(self._bank.state)) for one in known]
        return msgspec.Raw(pack(self._bank.merged(stacked(states))))

    def inherit(self, rows: Iterable[int], known: msgspec.Raw) -> None:
        """Newcomers of that kind begin with it."""
        assert isinstance(self._bank, Mergeable)  # noqa: S101
        state = unpack(known, type(self._bank.state))
        for row in rows:
            self._bank.inherit(row, state)

    def usual(self, rows: Rows, values: Floats, load: Floats) -> Floats:
        """[row, value]: what alike series show at this load; of a member that is given one."""
        pairs = zip(self._loads, values.T, strict=True)
        return np.column_stack([curves.expected(rows, value, load) for curves, value in pairs])

    def explain(self, rows: Rows, smoothed: Floats) -> Reading:
        return self._bank.explain(rows, _narrow(smoothed))

    def recall(self, lesson: Lesson) -> tuple[Lesson | None, Lesson | None]:
        """What is old enough for the bank to learn, and for the load curve; None: nothing is.

        The bank has learned it; ``learn_load`` waits for what is known of it by now.
        """
        lessons = self._lessons
        lessons.append(lesson)
        old = lessons[-1 - self._lag] if len(lessons) > self._lag else None
        by_load = bool(self._loads) and len(lessons) > self._load_lag
        of_load = lessons[-1 - self._load_lag] if by_load else None
        del lessons[: -max(self._lag, self._load_lag if self._loads else 1, 1)]
        if old and old.rows.size:
            self._bank.learn(old.rows, _narrow(old.smoothed), old.weights)
        return old, of_load

    def learn_load(self, old: Lesson, weights: Floats) -> None:
        if old.rows.size:
            for curves, value in zip(self._loads, old.values.T, strict=True):
                curves.learn(old.rows, value, old.load, weights)


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
