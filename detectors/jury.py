"""Values of a window in, what each of several detectors thinks of each series out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Final, Literal

import numpy as np

from detectors.banks.base import Bools, Cells, Floats, Reading, Rows
from detectors.calibrate import Calibration, CalibrationState
from detectors.member import Lesson, Member, MemberState
from detectors.protection import Protection, StrangeState
from detectors.settings import DetectorSettings
from detectors.smooth import Smooth, SmoothState

SIDES: Final = {"above": 1, "below": -1, "both": 0}

Tolerances = Callable[[Rows, DetectorSettings], Floats | float]
"""By row, so many times further out than a detector learned it lies the boundary."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One entry for each row that a member judged, member by member; values in their own unit."""

    cells: Cells
    at: Rows
    """Which of the rows that were given."""
    score: Floats
    actual: Floats
    expected: Floats
    lower: Floats
    upper: Floats
    above: Bools
    raw: Floats
    """The bank's score on the detector's side, before calibration."""
    column: Rows
    carried: Mapping[int, Floats]
    """Member -> what each of its values adds, [entry of the member, value]; of those that tell."""


@dataclass(frozen=True, slots=True)
class _Share:
    """What a member judges of a window: entries ``start`` to ``end`` of all that is judged."""

    start: int
    end: int
    at: Rows
    rows: Rows


@dataclass(slots=True, kw_only=True)
class JuryState:
    """Everything a snapshot has to keep; members are in the order of the settings."""

    smooth: SmoothState
    calibration: CalibrationState
    strange: StrangeState
    members: list[MemberState]
    schema: Literal[1] = 1


_NONE: Final = np.zeros(0)
_NO_ROWS: Final = np.zeros(0, np.int64)
_OF_A_READING: Final = tuple(field.name for field in fields(Reading) if field.name != "shares")
_UNREAD: Final = Reading(_NONE, _NONE, _NONE, _NONE, np.zeros(0, np.bool_), _NO_ROWS)


class Jury:
    """Members that look at the same series: load, smoothing, calibration, least deviations.

    A value is taken relative to the load where asked (``given``), smoothed, read by the member's
    bank, calibrated, and then held below 1 unless it lies far enough out to matter to anyone. All
    but the bank and the load is done for all members at once: a window has a dozen rows, and what
    it costs is the number of calls.
    """

    def __init__(self, detectors: Sequence[DetectorSettings], *, step_s: float) -> None:
        self.members = [Member(one, step_s=step_s) for one in detectors]
        self.inputs = sorted({name for member in self.members for name in member.inputs})
        self._wants = [[self.inputs.index(one) for one in member.inputs] for member in self.members]
        values = [len(one.values) for one in detectors]
        self._first = np.cumsum([0, *values])[:-1].tolist()
        """By member, where its values begin among those of all."""
        self._of = np.repeat(np.arange(len(detectors)), values)
        """By value, whose it is."""
        self._columns = [
            at for wants, n in zip(self._wants, values, strict=True) for at in wants[:n]
        ]
        self._learned = np.array([member.learned for member in self.members])
        self.graced = np.array([one.graced for one in detectors])
        """By member."""
        self._side = np.array([SIDES[one.direction] for one in detectors])
        self._min_abs = np.array([one.min_abs for one in detectors])
        self._min_ratio = np.array([one.min_ratio for one in detectors])
        self._smooth = Smooth(
            half_life_s=[one.smooth_s for one in detectors for _ in one.values],
            step_s=step_s,
            # One bad first window must not break a rule: there the past counts as good.
            zeros=np.where(self._learned, 0.0, 1e9)[self._of],
        )
        self.calibration = Calibration(members=len(detectors), step_s=step_s)
        self._protection = Protection(self._learned, step_s=step_s)

    @property
    def state(self) -> JuryState:
        return JuryState(
            smooth=self._smooth.state,
            calibration=self.calibration.state,
            strange=self._protection.state,
            members=[member.state for member in self.members],
        )

    @state.setter
    def state(self, state: JuryState) -> None:
        self._smooth.state, self.calibration.state = state.smooth, state.calibration
        self._protection.state = state.strange
        for member, kept in zip(self.members, state.members, strict=True):
            member.state = kept

    def admit(self, row: int, labels: Mapping[str, str]) -> None:
        self._smooth.admit(row)
        self.calibration.admit(row)
        self._protection.admit(row)
        for member in self.members:
            member.admit(row, labels)

    def wanted(self, inputs: Floats) -> Bools:
        """[row, member]: all values that it needs are there, or some if it bears that."""
        known = np.isfinite(inputs)
        pairs = zip(self.members, self._wants, strict=True)
        there = [
            (known[:, names].any if one.patchy else known[:, names].all)(axis=1)
            for one, names in pairs
        ]
        return np.stack(there, axis=1)

    def step(
        self, rows: Rows, inputs: Floats, wanted: Bools, alpha: float, tolerances: Tolerances
    ) -> Judged:
        """Judge ``inputs`` (float64[row, number in ``self.inputs``]) where wanted, then learn them.

        tolerances: one with a fixed meaning stays where it is.
        """
        shares = _shares(rows, wanted)
        usual = self._usual(inputs, shares)
        smoothed = self._smooth.apply(rows, inputs[:, self._columns] / usual[:, self._of])
        values = [
            smoothed[share.at, first : first + len(member.settings.values)]
            for member, share, first in zip(self.members, shares, self._first, strict=True)
        ]
        judged = self._judge(shares, values, usual, alpha, tolerances)
        self._learn(shares, values, inputs, judged)
        self._smooth.learn(rows, smoothed, wanted[:, self._of] & np.isfinite(smoothed))
        return judged

    def tail_probability(self, cell: tuple[int, int], raw: float, alpha: float) -> float | None:
        """How likely the series' own past makes such a raw score; None for a fixed meaning."""
        row, member = cell
        if not self._learned[member]:
            return None
        one = np.array([row]), np.array([member])
        return float(self.calibration.tail_probability(one, np.array([raw]), alpha)[0])

    def carried_by(self, judged: Judged, index: int) -> dict[str, float]:
        """Value -> its share in an entry's score; empty where one value is all there is."""
        number = int(judged.cells[1][index])
        if number not in judged.carried:
            return {}
        first = int(np.searchsorted(judged.cells[1], number))
        shares = judged.carried[number][index - first].tolist()
        names = self.members[number].settings.values
        return {name: round(share, 3) for name, share in zip(names, shares, strict=True)}

    def _usual(self, inputs: Floats, shares: Sequence[_Share]) -> Floats:
        """[row, member]: what its first value is taken relative to."""
        usual = np.ones((len(inputs), len(self.members)))
        for number, (member, share) in enumerate(zip(self.members, shares, strict=True)):
            if member.settings.given:
                wants = self._wants[number]
                value, load = inputs[share.at, wants[0]], inputs[share.at, wants[-1]]
                usual[share.at, number] = member.usual(share.rows, value, load)
        return usual

    def _judge(
        self,
        shares: Sequence[_Share],
        values: Sequence[Floats],
        usual: Floats,
        alpha: float,
        tolerances: Tolerances,
    ) -> Judged:
        reading, shown, carried = self._read(shares, values)
        rows = np.concatenate([share.rows for share in shares])
        at = np.concatenate([share.at for share in shares])
        member = np.repeat(np.arange(len(shares)), [share.at.size for share in shares])
        times = usual[at, member]
        side = self._side[member]
        raw = np.where((side == 0) | (reading.above == (side > 0)), reading.score, 0.0)
        score, reach = self._calibrated((rows, member), raw, shares, alpha, tolerances)
        actual, expected = shown * times, reading.expected * times
        least = np.maximum(self._min_abs[member], self._min_ratio[member] * np.abs(expected))
        above = np.maximum((reading.upper - reading.expected) * reach * times, least)
        below = np.maximum((reading.expected - reading.lower) * reach * times, least)
        far = np.abs(actual - expected) >= least
        return Judged(
            cells=(rows, member),
            at=at,
            score=np.where(far, score, np.minimum(score, 0.99)),
            actual=actual,
            expected=expected,
            lower=np.where(side > 0, -np.inf, expected - below),
            upper=np.where(side < 0, np.inf, expected + above),
            above=reading.above,
            raw=raw,
            column=reading.column,
            carried=carried,
        )

    def _read(
        self, shares: Sequence[_Share], values: Sequence[Floats]
    ) -> tuple[Reading, Floats, dict[int, Floats]]:
        """What banks say, member by member, the value each speaks of, and what carries it."""
        readings, shown, carried = [_UNREAD], [_NONE], {}
        for number, (member, share, mine) in enumerate(
            zip(self.members, shares, values, strict=True)
        ):
            if share.rows.size:
                reading = member.explain(share.rows, mine)
                readings.append(reading)
                shown.append(mine[np.arange(share.rows.size), reading.column])
                if reading.shares is not None:
                    carried[number] = reading.shares
        columns = ([getattr(one, name) for one in readings] for name in _OF_A_READING)
        return Reading(*map(np.concatenate, columns)), np.concatenate(shown), carried

    def _calibrated(
        self,
        cells: Cells,
        raw: Floats,
        shares: Sequence[_Share],
        alpha: float,
        tolerances: Tolerances,
    ) -> tuple[Floats, Floats]:
        """Score, and how many times as far out as the bank's the boundary lies."""
        score, reach, tolerance = raw.copy(), np.ones(raw.size), np.ones(raw.size)
        for member, share in zip(self.members, shares, strict=True):
            tolerance[share.start : share.end] = tolerances(share.rows, member.settings)
        learned = np.flatnonzero(self._learned[cells[1]])
        mine, tolerance = (cells[0][learned], cells[1][learned]), tolerance[learned]
        score[learned] = self.calibration.score(mine, raw[learned] / tolerance, alpha)
        reach[learned] = self.calibration.boundary(mine, alpha) * tolerance
        return score, reach

    def _learn(
        self, shares: Sequence[_Share], values: Sequence[Floats], inputs: Floats, judged: Judged
    ) -> None:
        weights, tail_weights = self._protection.weights(judged.cells, judged.raw)
        due = []
        for number, (member, share) in enumerate(zip(self.members, shares, strict=True)):
            here = slice(share.start, share.end)
            given = share.at if member.settings.given else _NO_ROWS
            lesson = Lesson(
                share.rows,
                values[number],
                inputs[given, self._wants[number][0]],
                inputs[given, self._wants[number][-1]],
                judged.raw[here],
                weights[here],
                tail_weights[here],
            )
            old, of_load = member.recall(lesson)
            if old is not None and member.learned:
                due.append((number, old))
            if of_load is not None:
                usual = self._protection.is_usual(of_load.rows, number)
                member.learn_load(of_load, of_load.weights * usual)
        if due:
            self._learn_tails(due)

    def _learn_tails(self, due: Sequence[tuple[int, Lesson]]) -> None:
        sizes = [old.rows.size for _, old in due]
        members = np.repeat([number for number, _ in due], sizes)
        rows, raw, weights = (
            np.concatenate(parts)
            for parts in zip(
                *((old.rows, old.raw, old.tail_weights) for _, old in due), strict=True
            )
        )
        self.calibration.learn((rows, members), raw, weights)


def _shares(rows: Rows, wanted: Bools) -> list[_Share]:
    """In the order of members."""
    members, at = np.nonzero(wanted.T)
    theirs = rows[at]
    ends = np.searchsorted(members, np.arange(wanted.shape[1] + 1)).tolist()
    return [_Share(a, b, at[a:b], theirs[a:b]) for a, b in pairwise(ends)]
