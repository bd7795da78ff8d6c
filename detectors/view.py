"""A final window in, what detectors see of it out: rows, their values, what excuses them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from detectors.banks.base import Bools, Floats, Rows
from detectors.grace import Grace
from detectors.roster import Roster, shared
from streams.series import series_id
from streams.windows.features import SILENT, WEEK
from streams.windows.regroup import regroup
from streams.windows.table import Ints, Table
from streams.windows.values import derive, with_only

SECOND_US: Final = 1_000_000
ABSENT_IS_ZERO_US: Final = 300 * SECOND_US
"""A client that sends nothing has rates of 0, for so long after its last event."""
MONDAY_US: Final = 4 * 86_400 * SECOND_US
"""1970 began on a Thursday."""
WEEK_US: Final = 7 * 86_400 * SECOND_US
LOST_VALUE: Final = "up_min"
SILENT_FOR_US: Final = 900 * SECOND_US
"""A series that has been silent for so long is gone for good."""

Values = Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class Seen:
    """The series of one window and their values."""

    series: Ints
    labels: Mapping[int, Mapping[str, str]]
    values: Values


@dataclass(frozen=True, slots=True)
class View:
    """One window by rows of the roster; arrays in the order of ``rows``."""

    at_us: int
    rows: Rows
    values: Values
    off: Bools
    """Starting, or stopped on purpose: nothing there means anything."""
    graced: Bools
    """Changed a short while ago: what is learned starts nothing there."""


def seen(window: Table | None, by: Sequence[str], names: Sequence[str], step_us: int) -> Seen:
    """The values ``names`` of a window, rows summed up by the labels ``by`` if there are any."""
    if window is None or len(window) == 0:
        return Seen(np.zeros(0, np.int64), {}, {name: np.zeros(0) for name in names})
    table = _summed(with_only(window, names), by) if by else window
    values = derive(table, interval_s=step_us / SECOND_US, only=names)
    if SILENT.name in names:
        values[SILENT.name] = np.zeros(len(table))
    if WEEK.name in names:
        values[WEEK.name] = week_s(table.window_us)
    return Seen(table.series, table.labels, {name: values[name] for name in names})


def week_s(at_us: Ints) -> Floats:
    """Seconds since Monday, 0:00 UTC.

    >>> week_s(np.array([1_767_268_800 * SECOND_US])) / 3_600
    array([84.])
    """
    return np.asarray((at_us - MONDAY_US) % WEEK_US / SECOND_US)


def with_absent(view: View, roster: Roster) -> View:
    """Series that were seen of late and not now: their rates are 0, nothing else is known."""
    absent = roster.absent(view.rows, view.at_us, ABSENT_IS_ZERO_US)
    fill = {name: 0.0 if name.endswith("_per_s") else np.nan for name in view.values}
    fill[WEEK.name] = float(week_s(np.array(view.at_us)))
    return _joined(view, absent, fill)


def with_silent(view: View, roster: Roster, grace: Grace, step_us: int) -> View:
    """Series that were seen of late and not now: only how long they have been silent is known."""
    absent = roster.absent(view.rows, view.at_us, SILENT_FOR_US)
    nothing = np.full(absent.size, np.nan)
    silent_s = (view.at_us - roster.state.seen_us[absent]) / SECOND_US
    off, graced = excused(absent, roster, grace, view.at_us, step_us)
    for place, row in enumerate(absent.tolist()):
        # Who is known to be gone is not missed.
        off[place] |= grace.was_lost(roster.labels[row], roster.state.seen_us[row])
    values = dict.fromkeys(view.values, nothing) | {SILENT.name: silent_s}
    return _with_rows(view, View(view.at_us, absent, values, off, graced))


def with_lost(view: View, roster: Roster, grace: Grace) -> View:
    """Replicas that somebody said are lost count as not answering, until they answer."""
    for labels in grace.lost(view.at_us):
        row = roster.row_with(labels)
        if row is None:
            continue
        mine = view.rows == row
        if np.any(mine & ~view.off & (view.values[LOST_VALUE] >= 1)):
            continue
        fill = {name: 0.0 if name == LOST_VALUE else np.nan for name in view.values}
        view = _joined(_kept(view, ~mine), np.array([row]), fill)
    return view


def excused(rows: Rows, roster: Roster, grace: Grace, at_us: int, step_us: int) -> list[Bools]:
    """For each row: is it off, is it in grace."""
    named = [roster.labels[row] for row in rows.tolist()]
    off = np.array([grace.off(labels, at_us, step_us) for labels in named], np.bool_)
    graced = np.array([grace.excused(labels, at_us, step_us) for labels in named], np.bool_)
    return [off, graced]


def _summed(window: Table, by: Sequence[str]) -> Table:
    labels_of = {key: shared(labels, by) for key, labels in window.labels.items()}
    new_key = {key: series_id(window.kind, labels) for key, labels in labels_of.items()}
    series = np.array([new_key[key] for key in window.series.tolist()], np.int64)
    labels = {new_key[key]: labels_of[key] for key in window.labels}
    return regroup(replace(window, series=series, labels=labels))


def _joined(view: View, rows: Rows, fill: Mapping[str, float]) -> View:
    none = np.zeros(rows.size, np.bool_)
    values = {name: np.full(rows.size, fill[name]) for name in view.values}
    return _with_rows(view, View(view.at_us, rows, values, none, none))


def _with_rows(view: View, more: View) -> View:
    return View(
        view.at_us,
        np.concatenate([view.rows, more.rows]),
        {name: np.concatenate([column, more.values[name]]) for name, column in view.values.items()},
        np.concatenate([view.off, more.off]),
        np.concatenate([view.graced, more.graced]),
    )


def _kept(view: View, keep: Bools) -> View:
    values = {name: column[keep] for name, column in view.values.items()}
    return View(view.at_us, view.rows[keep], values, view.off[keep], view.graced[keep])
