"""Final windows of one series kind in, anomalies out: all its detectors side by side."""

import math
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from detectors.calibrate import alpha_for
from detectors.episodes import Episodes, EpisodesState, Hits, HitsState, anomaly_id
from detectors.grace import Grace
from detectors.member import Judged, Member, MemberState
from detectors.roster import Roster, RosterState
from detectors.sentence import sentence
from detectors.settings import DetectionSettings, DetectorSettings
from detectors.verdicts import Verdicts
from detectors.view import (
    LOST_VALUE,
    SECOND_US,
    View,
    excused,
    seen,
    with_absent,
    with_lost,
    with_silent,
)
from streams.errors import InvalidParameterError
from streams.schemas.anomalies import Anomaly, SeriesKind
from streams.series import series_hex
from streams.windows.features import JUDGED, SILENT, find_value
from streams.windows.table import Table

ABSENCE_COUNTS: Final = frozenset({"request"})
"""Kinds whose series are silent when nothing happens; a replica or GPU that is silent is gone."""


@dataclass(slots=True)
class _Seat:
    """A member with its memory of hits."""

    member: Member
    hits: Hits


@dataclass(slots=True)
class _Group:
    """Members that look at the same series: each its own, or summed up by some labels."""

    by: tuple[str, ...]
    roster: Roster
    episodes: Episodes
    seats: list[_Seat] = field(default_factory=list)
    values: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Moment:
    """What is the same for all findings of a detector in a window."""

    group: _Group
    seat: _Seat
    judged: Judged
    at_us: int
    alpha: float


@dataclass(slots=True, kw_only=True)
class SeatState:
    hits: HitsState
    member: MemberState


@dataclass(slots=True, kw_only=True)
class GroupState:
    """Seats are in the order of the settings."""

    by: tuple[str, ...]
    roster: RosterState
    episodes: EpisodesState
    seats: list[SeatState]


@dataclass(slots=True, kw_only=True)
class PanelState:
    """Everything a snapshot has to keep."""

    groups: list[GroupState]
    schema: Literal[1] = 1


class Panel:
    """All detectors of one series kind, stepped window by window in order of time.

    Each detector judges the series it is for; what scores 1 or more for long enough becomes an
    anomaly of (series, value), whoever found it; the strongest finder speaks for it.

    Raises InvalidParameterError for a detector, an option or a value that does not exist.
    """

    def __init__(self, kind: SeriesKind, settings: DetectionSettings, *, interval_us: int) -> None:
        self._kind = kind
        self._settings = settings
        self._interval_us = interval_us
        self._groups: dict[tuple[str, ...], _Group] = {}
        for detector in settings.detectors:
            if detector.series == kind:
                self._seat(detector)

    @property
    def state(self) -> PanelState:
        return PanelState(
            groups=[
                GroupState(
                    by=group.by,
                    roster=group.roster.state,
                    episodes=group.episodes.state,
                    seats=[
                        SeatState(hits=seat.hits.state, member=seat.member.state)
                        for seat in group.seats
                    ],
                )
                for group in self._groups.values()
            ]
        )

    @state.setter
    def state(self, state: PanelState) -> None:
        for group, kept in zip(self._groups.values(), state.groups, strict=True):
            group.roster.state, group.episodes.state = kept.roster, kept.episodes
            for seat, of_seat in zip(group.seats, kept.seats, strict=True):
                seat.hits.state, seat.member.state = of_seat.hits, of_seat.member

    def step(self, window: Table | None, at_us: int, grace: Grace) -> list[Anomaly]:
        """The window that starts at ``at_us``; None when no series of the kind was seen in it."""
        found: list[Anomaly] = []
        alpha = alpha_for(self._settings.false_pages_per_week, self._judgements())
        for group in self._groups.values():
            view = self._view(group, window, at_us, grace)
            for seat in group.seats:
                self._judge(group, seat, view, alpha, grace.verdicts)
            found.extend(group.episodes.settle(at_us + self._interval_us))
        return found

    def _seat(self, detector: DetectorSettings) -> None:
        _check(detector)
        member = Member(detector, step_s=self._interval_us / SECOND_US)
        after_s = detector.after_s
        after_s = self._settings.anomaly_after_s if after_s is None else after_s
        group = self._groups.get(detector.by) or self._new_group(detector.by)
        group.seats.append(_Seat(member, Hits(math.ceil(after_s * SECOND_US / self._interval_us))))
        group.values = sorted({*group.values, *member.inputs})

    def _new_group(self, by: tuple[str, ...]) -> _Group:
        ends_after_us = round(self._settings.anomaly_ends_after_s * SECOND_US)
        group = self._groups[by] = _Group(
            by,
            Roster(max_rows=self._settings.max_series),
            Episodes(interval_us=self._interval_us, ends_after_us=ends_after_us),
        )
        return group

    def _judgements(self) -> int:
        return sum(len(group.roster) * len(group.seats) for group in self._groups.values())

    def _view(self, group: _Group, window: Table | None, at_us: int, grace: Grace) -> View:
        step_us = self._interval_us
        now = seen(window, group.by, group.values, step_us)
        rows, new = group.roster.place(now.series, now.labels, at_us)
        for row in new:
            for seat in group.seats:
                seat.member.admit(row, group.roster.labels[row])
                seat.hits.admit(row)
        known = rows >= 0
        values = {name: column[known] for name, column in now.values.items()}
        view = View(
            at_us,
            rows[known],
            values,
            *excused(rows[known], group.roster, grace, at_us, step_us),
        )
        if self._kind in ABSENCE_COUNTS:
            view = with_absent(view, group.roster)
        if SILENT.name in values:
            view = with_silent(view, group.roster, grace, step_us)
        return with_lost(view, group.roster, grace) if LOST_VALUE in values else view

    def _judge(
        self, group: _Group, seat: _Seat, view: View, alpha: float, verdicts: Verdicts
    ) -> None:
        member = seat.member
        inputs = np.column_stack([view.values[name] for name in member.inputs])
        wanted = np.isfinite(inputs).all(axis=1) & ~view.off
        if member.settings.where:
            wanted &= group.roster.matching(view.rows, member.settings.where)
        rows, features = view.rows[wanted], [f"{self._kind}.{v}" for v in member.settings.values]
        tolerances = verdicts.tolerances(rows, group.roster.row_of, features)
        judged = member.step(rows, inputs[wanted], alpha, tolerances)
        graced = view.graced[wanted] & member.settings.graced
        strange = judged.score >= 1
        enough = set(seat.hits.mark(judged.rows[strange & ~graced]).tolist())
        moment = _Moment(group, seat, judged, view.at_us, alpha)
        for index in np.flatnonzero(strange).tolist():
            row = int(judged.rows[index])
            slot = (row, _what(member.settings))
            if group.episodes.is_open(slot):
                group.episodes.go_on(slot, self._finding(moment, index))
            elif row in enough:
                group.episodes.begin(slot, self._finding(moment, index))

    def _finding(self, moment: _Moment, index: int) -> Anomaly:
        judged, member = moment.judged, moment.seat.member
        roster, row = moment.group.roster, int(judged.rows[index])
        name = member.settings.values[int(judged.column[index])]
        value = find_value(self._kind, name)
        started_us = moment.at_us - moment.seat.hits.windows_ago(row) * self._interval_us
        series = series_hex(roster.series[row])
        actual, score = float(judged.actual[index]), float(judged.score[index])
        lower, upper = _finite(judged.lower[index]), _finite(judged.upper[index])
        return Anomaly(
            id=anomaly_id(series, _what(member.settings), started_us),
            kind=self._kind,
            series_id=series,
            labels=dict(roster.labels[row]),
            feature=f"{self._kind}.{name}",
            unit=value.unit,
            started_at_us=started_us,
            at_us=moment.at_us,
            score=score,
            peak_score=score,
            actual=actual,
            expected=float(judged.expected[index]),
            lower=lower,
            upper=upper,
            direction="above" if judged.above[index] else "below",
            detector=member.settings.kind,
            p=member.tail_probability(row, float(judged.raw[index]), moment.alpha),
            sentence=sentence(value, actual, lower, upper),
        )


def _what(settings: DetectorSettings) -> str:
    """What is judged: the value, or for a detector on several at once the detector itself."""
    if len(settings.values) == 1:
        return settings.values[0]
    return f"{settings.kind}({','.join(settings.values)})"


def _check(detector: DetectorSettings) -> None:
    known = {value.name for value in JUDGED[detector.series]}
    for name in (*detector.values, *([detector.given] if detector.given else [])):
        if name not in known:
            raise InvalidParameterError(
                f"value of a {detector.kind} detector", name, f"a value of {detector.series} series"
            )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
