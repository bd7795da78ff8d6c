"""Final windows of one series kind in, anomalies out: all its detectors side by side."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from detectors.banks.base import Bools, Floats, Rows
from detectors.calibrate import alpha_for
from detectors.episodes import Episodes, EpisodesState, Hits, HitsState, anomaly_id
from detectors.grace import Grace
from detectors.jury import Judged, Jury, JuryState
from detectors.kin import ALIKE, Kind, Known, families, inherit, known
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
class Group:
    """Members that look at the same series: each its own, or summed up by some labels."""

    by: tuple[str, ...]
    roster: Roster
    episodes: Episodes
    jury: Jury
    hits: Hits
    elsewhere: dict[Kind, Known] = field(default_factory=dict)
    """What other sites know of a kind, for series without kin here (``knowledge.py``)."""


@dataclass(frozen=True, slots=True)
class _Moment:
    """What is the same for all findings of a window."""

    group: Group
    judged: Judged
    at_us: int
    alpha: float


@dataclass(slots=True, kw_only=True)
class GroupState:
    by: tuple[str, ...]
    roster: RosterState
    episodes: EpisodesState
    hits: HitsState
    jury: JuryState


@dataclass(slots=True, kw_only=True)
class PanelState:
    """Everything a snapshot has to keep."""

    groups: list[GroupState]
    schema: Literal[2] = 2


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
        mine = [one for one in settings.detectors if one.series == kind]
        self.groups = [
            self._group(by, [one for one in mine if one.by == by])
            for by in dict.fromkeys(one.by for one in mine)
        ]

    @property
    def state(self) -> PanelState:
        return PanelState(
            groups=[
                GroupState(
                    by=group.by,
                    roster=group.roster.state,
                    episodes=group.episodes.state,
                    hits=group.hits.state,
                    jury=group.jury.state,
                )
                for group in self.groups
            ]
        )

    @state.setter
    def state(self, state: PanelState) -> None:
        for group, kept in zip(self.groups, state.groups, strict=True):
            group.roster.state, group.episodes.state = kept.roster, kept.episodes
            group.hits.state, group.jury.state = kept.hits, kept.jury

    def step(self, window: Table | None, at_us: int, grace: Grace) -> list[Anomaly]:
        """The window that starts at ``at_us``; None when no series of the kind was seen in it."""
        found: list[Anomaly] = []
        grace.worth.advance(at_us)
        alpha = alpha_for(self._settings.false_pages_per_week, self._judgements())
        for group in self.groups:
            view = self._view(group, window, at_us, grace)
            group.jury.calibration.worth = grace.worth.shares(
                [member.settings for member in group.jury.members]
            )
            self._judge(group, view, alpha, grace.verdicts)
            found.extend(group.episodes.settle(at_us + self._interval_us))
        grace.worth.hear(found)
        return found

    def _group(self, by: tuple[str, ...], detectors: Sequence[DetectorSettings]) -> Group:
        for one in detectors:
            _check(one)
        usual_s = self._settings.anomaly_after_s
        after_s = [usual_s if one.after_s is None else one.after_s for one in detectors]
        ends_after_us = round(self._settings.anomaly_ends_after_s * SECOND_US)
        return Group(
            by,
            Roster(max_rows=self._settings.max_series),
            Episodes(interval_us=self._interval_us, ends_after_us=ends_after_us),
            Jury(detectors, step_s=self._interval_us / SECOND_US),
            Hits([math.ceil(one * SECOND_US / self._interval_us) for one in after_s]),
        )

    def _judgements(self) -> int:
        return sum(len(group.roster) * len(group.jury.members) for group in self.groups)

    def _view(self, group: Group, window: Table | None, at_us: int, grace: Grace) -> View:
        step_us = self._interval_us
        now = seen(window, group.by, group.jury.inputs, step_us)
        rows, new = group.roster.place(now.series, now.labels, at_us)
        for row in new:
            group.jury.admit(row, group.roster.labels[row])
            group.hits.admit(row)
        self._begin(group, new)
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

    def _begin(self, group: Group, new: Sequence[int]) -> None:
        names = ALIKE.get(self._kind)
        for kind, newcomers, kin in families(group.roster, names, new) if new and names else ():
            here = known(group.jury, kin) if kin.size else group.elsewhere.get(kind[1:])
            if here is not None:
                inherit(group.jury, newcomers, here)

    def _judge(self, group: Group, view: View, alpha: float, verdicts: Verdicts) -> None:
        def tolerances(rows: Rows, settings: DetectorSettings) -> Floats | float:
            features = [f"{self._kind}.{name}" for name in settings.values]
            return verdicts.tolerances(rows, group.roster.row_of, features)

        jury = group.jury
        inputs = np.column_stack([view.values[name] for name in jury.inputs])
        wanted = jury.wanted(inputs) & ~view.off[:, None]
        for number, member in enumerate(jury.members):
            if member.settings.where:
                wanted[:, number] &= group.roster.matching(view.rows, member.settings.where)
        judged = jury.step(view.rows, inputs, wanted, alpha, tolerances)
        self._mark(_Moment(group, judged, view.at_us, alpha), view.graced)

    def _mark(self, moment: _Moment, graced: Bools) -> None:
        """Begin what has scored 1 or more for long enough, go on with what is open."""
        group, judged = moment.group, moment.judged
        rows, members = judged.cells
        strange = judged.score >= 1
        counts = strange & ~(graced[judged.at] & group.jury.graced[members])
        enough = np.zeros(rows.size, np.bool_)
        enough[counts] = group.hits.mark((rows[counts], members[counts]))
        for index in np.flatnonzero(strange).tolist():
            slot = (int(rows[index]), _what(group.jury.members[int(members[index])].settings))
            if group.episodes.is_open(slot):
                group.episodes.go_on(slot, self._finding(moment, index))
            elif enough[index]:
                group.episodes.begin(slot, self._finding(moment, index))

    def _finding(self, moment: _Moment, index: int) -> Anomaly:
        group, judged = moment.group, moment.judged
        row, number = (int(one[index]) for one in judged.cells)
        settings = group.jury.members[number].settings
        roster = group.roster
        name = settings.values[int(judged.column[index])]
        value = find_value(self._kind, name)
        started_us = moment.at_us - group.hits.windows_ago(row, number) * self._interval_us
        series = series_hex(roster.series[row])
        actual, score = float(judged.actual[index]), float(judged.score[index])
        lower, upper = _finite(judged.lower[index]), _finite(judged.upper[index])
        raw, carried = float(judged.raw[index]), group.jury.carried_by(judged, index)
        return Anomaly(
            id=anomaly_id(series, _what(settings), started_us),
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
            detector=settings.kind,
            p=group.jury.tail_probability((row, number), raw, moment.alpha),
            worth=float(group.jury.calibration.worth[number]),
            carried_by={f"{self._kind}.{of}": part for of, part in carried.items()},
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
