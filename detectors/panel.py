"""Final windows of one series kind in, anomalies out: all its detectors side by side."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from detectors.banks.base import Bools, Floats, Rows
from detectors.calibrate import alpha_for
from detectors.episodes import Episodes, Hits, anomaly_id
from detectors.grace import Grace
from detectors.member import Judged, Member
from detectors.roster import Roster, shared
from detectors.sentence import sentence
from detectors.settings import DetectionSettings, DetectorSettings
from streams.errors import InvalidParameterError
from streams.schemas.anomalies import Anomaly, SeriesKind
from streams.series import series_hex, series_id
from streams.windows.features import VALUES, find_value
from streams.windows.regroup import regroup
from streams.windows.table import Ints, Table
from streams.windows.values import derive

SECOND_US: Final = 1_000_000
ABSENT_IS_ZERO_US: Final = 300 * SECOND_US
"""A client that sends nothing has rates of 0, for so long after its last event."""
LOST_VALUE: Final = "up_min"


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
    seats: list[_Seat] = field(default_factory=list)
    values: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _View:
    """One window as a group sees it; arrays in the order of ``rows``."""

    at_us: int
    rows: Rows
    values: Mapping[str, Floats]
    off: Bools
    """Starting, or stopped on purpose: nothing there means anything."""
    graced: Bools


class Panel:
    """All detectors of one series kind, stepped window by window in order of time.

    Each detector judges the series it is for; what scores 1 or more for long enough becomes an
    anomaly of (series, value), whoever found it; the strongest finder speaks for it.
    """

    def __init__(self, kind: SeriesKind, settings: DetectionSettings, *, interval_us: int) -> None:
        self._kind = kind
        self._settings = settings
        self._interval_us = interval_us
        self._groups: dict[tuple[str, ...], _Group] = {}
        self._episodes: dict[tuple[str, ...], Episodes] = {}
        for detector in settings.detectors:
            if detector.series == kind:
                self._seat(detector)

    def step(self, window: Table | None, at_us: int, grace: Grace) -> list[Anomaly]:
        """The window that starts at ``at_us``; None when no series of the kind was seen in it."""
        found: list[Anomaly] = []
        alpha = alpha_for(self._settings.false_pages_per_week, self._judgements())
        for by, group in self._groups.items():
            view = self._view(group, window, at_us, grace)
            for seat in group.seats:
                self._judge(group, seat, view, alpha)
            found.extend(self._episodes[by].settle(at_us + self._interval_us))
        return found

    def _seat(self, detector: DetectorSettings) -> None:
        _check(detector)
        member = Member(detector, step_s=self._interval_us / SECOND_US)
        after_s = detector.after_s
        after_s = self._settings.anomaly_after_s if after_s is None else after_s
        need = math.ceil(after_s * SECOND_US / self._interval_us)
        group = self._groups.setdefault(
            detector.by, _Group(detector.by, Roster(max_rows=self._settings.max_series))
        )
        group.seats.append(_Seat(member, Hits(need)))
        group.values |= frozenset(member.inputs)
        self._episodes.setdefault(
            detector.by,
            Episodes(
                interval_us=self._interval_us,
                ends_after_us=round(self._settings.anomaly_ends_after_s * SECOND_US),
            ),
        )

    def _judgements(self) -> int:
        return sum(len(group.roster) * len(group.seats) for group in self._groups.values())

    def _view(self, group: _Group, window: Table | None, at_us: int, grace: Grace) -> _View:
        series, values, labels = self._observed(group, window)
        rows, new = group.roster.place(series, labels, at_us)
        for row in new:
            for seat in group.seats:
                seat.member.admit(row, group.roster.labels[row])
                seat.hits.admit(row)
        known = rows >= 0
        rows, values = rows[known], {name: column[known] for name, column in values.items()}
        if self._kind == "request":
            rows, values = self._with_absent(group, rows, values, at_us)
        step = self._interval_us
        named = [group.roster.labels[row] for row in rows.tolist()]
        off = np.array([grace.off(labels, at_us, step) for labels in named], np.bool_)
        graced = np.array([grace.excused(labels, at_us, step) for labels in named], np.bool_)
        view = _View(at_us, rows, values, off, graced)
        return _with_lost(group.roster, view, grace) if LOST_VALUE in values else view

    def _observed(
        self, group: _Group, window: Table | None
    ) -> tuple[Ints, dict[str, Floats], Mapping[int, Mapping[str, str]]]:
        if window is None or len(window) == 0:
            nothing = {name: np.zeros(0) for name in group.values}
            return np.zeros(0, np.int64), nothing, {}
        table = _summed(window, group.by) if group.by else window
        values = derive(table, interval_s=self._interval_us / SECOND_US)
        return table.series, {name: values[name] for name in group.values}, table.labels

    def _with_absent(
        self, group: _Group, rows: Rows, values: dict[str, Floats], at_us: int
    ) -> tuple[Rows, dict[str, Floats]]:
        absent = group.roster.absent(rows, at_us, ABSENT_IS_ZERO_US)
        fill = {name: 0.0 if name.endswith("_per_s") else np.nan for name in values}
        return np.concatenate([rows, absent]), {
            name: np.concatenate([column, np.full(absent.size, fill[name])])
            for name, column in values.items()
        }

    def _judge(self, group: _Group, seat: _Seat, view: _View, alpha: float) -> None:
        member = seat.member
        inputs = np.column_stack([view.values[name] for name in member.inputs])
        wanted = np.isfinite(inputs).all(axis=1) & ~view.off
        if member.settings.where:
            wanted &= group.roster.matching(view.rows, member.settings.where)
        judged = member.step(view.rows[wanted], inputs[wanted], alpha)
        graced = view.graced[wanted] & member.settings.graced
        strange = judged.score >= 1
        enough = set(seat.hits.mark(judged.rows[strange & ~graced]).tolist())
        episodes = self._episodes[group.by]
        for index in np.flatnonzero(strange).tolist():
            row = int(judged.rows[index])
            slot = (row, _what(member.settings))
            if episodes.is_open(slot):
                episodes.go_on(slot, self._anomaly(group, seat, judged, index, view.at_us))
            elif row in enough:
                episodes.begin(slot, self._anomaly(group, seat, judged, index, view.at_us))

    def _anomaly(
        self, group: _Group, seat: _Seat, judged: Judged, index: int, at_us: int
    ) -> Anomaly:
        row = int(judged.rows[index])
        member = seat.member
        name = member.settings.values[int(judged.column[index])]
        value = find_value(self._kind, name)
        started_us = at_us - seat.hits.windows_ago(row) * self._interval_us
        series = series_hex(group.roster.series[row])
        lower, upper = _finite(judged.lower[index]), _finite(judged.upper[index])
        return Anomaly(
            id=anomaly_id(series, _what(member.settings), started_us),
            kind=self._kind,
            series_id=series,
            labels=dict(group.roster.labels[row]),
            feature=f"{self._kind}.{name}",
            unit=value.unit,
            started_at_us=started_us,
            at_us=at_us,
            score=float(judged.score[index]),
            peak_score=float(judged.score[index]),
            actual=float(judged.actual[index]),
            expected=float(judged.expected[index]),
            lower=lower,
            upper=upper,
            direction="above" if judged.above[index] else "below",
            detector=member.settings.kind,
            p=_finite(judged.p[index]),
            sentence=sentence(value, float(judged.actual[index]), lower, upper),
        )


def _check(detector: DetectorSettings) -> None:
    known = {value.name for value in VALUES[detector.series]}
    for name in (*detector.values, *([detector.given] if detector.given else [])):
        if name not in known:
            raise InvalidParameterError(
                f"value of a {detector.kind} detector", name, f"a value of {detector.series} series"
            )


def _what(settings: DetectorSettings) -> str:
    """What is judged: the value, or for a detector on several at once the detector itself."""
    if len(settings.values) == 1:
        return settings.values[0]
    return f"{settings.kind}({','.join(settings.values)})"


def _summed(window: Table, by: Sequence[str]) -> Table:
    """The window with one row per combination of the labels ``by``."""
    labels_of = {key: shared(labels, by) for key, labels in window.labels.items()}
    new_key = {key: series_id(window.kind, labels) for key, labels in labels_of.items()}
    series = np.array([new_key[key] for key in window.series.tolist()], np.int64)
    labels = {new_key[key]: labels_of[key] for key in window.labels}
    return regroup(replace(window, series=series, labels=labels))


def _with_lost(roster: Roster, view: _View, grace: Grace) -> _View:
    """Replicas of which somebody said that they are lost count as not answering."""
    for labels in grace.lost(view.at_us):
        row = roster.row_with(labels)
        if row is None:
            continue
        at = np.flatnonzero(view.rows == row)
        if at.size and view.values[LOST_VALUE][at[0]] >= 1 and not view.off[at[0]]:
            continue  # It answers again.
        view = _without(view, at)
        view = _View(
            view.at_us,
            np.append(view.rows, row),
            {
                name: np.append(column, 0.0 if name == LOST_VALUE else np.nan)
                for name, column in view.values.items()
            },
            np.append(view.off, np.False_),
            np.append(view.graced, np.False_),
        )
    return view


def _without(view: _View, at: Rows) -> _View:
    keep = np.ones(view.rows.size, np.bool_)
    keep[at] = False
    values = {name: column[keep] for name, column in view.values.items()}
    return _View(view.at_us, view.rows[keep], values, view.off[keep], view.graced[keep])


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
