"""An anomaly and what was seen around it in, why it is one out: for the person on call. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.banks.base import Bools
from detectors.banks.robust import NORMAL
from detectors.sentence import number
from streams.clock import SECOND_US
from streams.schemas.anomalies import Anomaly
from streams.schemas.base import Record
from streams.schemas.telemetry import Change
from streams.windows.features import VALUES, Value, find_value
from streams.windows.table import Floats, Ints

LEAD_S: Final = 10
"""So long before an anomaly is said to begin, its signs may have been there."""
USUAL_S: Final = 600
ENOUGH: Final = 20
"""Windows from which something is usual."""
MOVED_AT: Final = 4.0
MAX_DEVIATION: Final = 99.0
MAX_MOVED: Final = 5
MAX_CHANGES: Final = 5
CHANGES_BEFORE_S: Final = 900
CHANGES_AFTER_S: Final = 60
LOADS: Final = (
    "arrived_per_s",
    "prompt_tokens_per_s",
    "in_flight_mean",
    "queued_mean",
    "running_mean",
    "waiting_mean",
    "util_ratio_mean",
)
"""What a series does not choose itself: it is judged given these."""


@dataclass(frozen=True, slots=True)
class Past:
    """One series: ``columns[value][i]`` is of the window that starts at ``at_us[i]``, ascending.

    NaN where nothing was seen.
    """

    at_us: Ints
    columns: Mapping[str, Floats]


class Usual(Record, frozen=True, kw_only=True, omit_defaults=False):
    """What some numbers are like: their median, 10th and 90th percentile."""

    median: float
    low: float
    high: float


class Moved(Record, frozen=True, kw_only=True, omit_defaults=False):
    """A value that is not what it was in the ten minutes before."""

    value: str
    unit: str
    actual: float
    usual: Usual
    deviation: float
    """Distance from the usual median in usual spreads, 99 at most; negative: below."""


class Normal(Record, frozen=True, kw_only=True, omit_defaults=False):
    """The window before the anomaly whose load was most like that of now."""

    at_us: int
    actual: float
    """What the anomalous value was then."""
    load: dict[str, tuple[float, float]]
    """Value of load -> then, now."""


class Why(Record, frozen=True, kw_only=True, omit_defaults=False):
    """Why something is an anomaly; None where it is not known."""

    anomaly: str
    sentences: tuple[str, ...]
    """All of the below in words."""
    moved: tuple[Moved, ...]
    """What carries it: its own value first, then what moved most."""
    fellows: Usual | None
    """The same value at the same time of others of the group."""
    nearest_normal: Normal | None
    day_before: Usual | None
    """The same value of the same series in the minute around the same time, 24 hours before."""
    changes: tuple[Change, ...]
    """Of the same objects, shortly before it began; the newest first."""


def explain(  # noqa: PLR0913  # each is another view on the same moment
    anomaly: Anomaly,
    past: Past | None,
    *,
    fellows: Sequence[Past] = (),
    disturbed: Sequence[Anomaly] = (),
    changes: Iterable[Change] = (),
    day_before: Floats | None = None,
) -> Why:
    """Put together what is known of one anomaly.

    past: of its series, the anomaly included. fellows: others of its group. disturbed: further
    anomalies of the series, so that they do not pass for usual.
    """
    moved = () if past is None else _moved(anomaly, past, _usual(past, [anomaly, *disturbed]))
    found = [_while(anomaly, one, anomaly.value_name) for one in fellows]
    why = Why(
        anomaly=anomaly.id,
        sentences=(),
        moved=moved,
        fellows=_like(np.array([one for one in found if one is not None])),
        nearest_normal=None if past is None else _nearest(anomaly, past, disturbed),
        day_before=None if day_before is None else _like(day_before),
        changes=_nearby(anomaly, changes),
    )
    return why.but(sentences=tuple(_sentences(anomaly, why, len(fellows))))


def _during(anomaly: Anomaly, past: Past) -> Bools:
    until_us = max(anomaly.at_us, anomaly.started_at_us)
    during: Bools = (past.at_us >= anomaly.started_at_us) & (past.at_us <= until_us)
    return during


def _usual(past: Past, disturbed: Sequence[Anomaly]) -> Bools:
    """Windows of the ten minutes before the first of them, apart from the others."""
    began_us = disturbed[0].started_at_us - LEAD_S * SECOND_US
    usual: Bools = (past.at_us < began_us) & (past.at_us >= began_us - USUAL_S * SECOND_US)
    for one in disturbed[1:]:
        ended_us = one.at_us if one.ended_at_us is None else one.ended_at_us
        usual &= (past.at_us < one.started_at_us - LEAD_S * SECOND_US) | (past.at_us > ended_us)
    return usual


def _while(anomaly: Anomaly, past: Past, name: str) -> float | None:
    """The median while the anomaly lasted; None where nothing was seen."""
    if name not in past.columns:
        return None
    seen = past.columns[name][_during(anomaly, past)]
    seen = seen[np.isfinite(seen)]
    return float(np.median(seen)) if seen.size else None


def _like(values: Floats) -> Usual | None:
    seen = values[np.isfinite(values)]
    if not seen.size:
        return None
    low, median, high = np.quantile(seen, (0.1, 0.5, 0.9)).tolist()
    return Usual(median=median, low=low, high=high)


def _moved(anomaly: Anomaly, past: Past, usual: Bools) -> tuple[Moved, ...]:
    own = anomaly.value_name
    found: dict[str, Moved] = {}
    for value in VALUES[anomaly.kind]:
        one = _one_moved(anomaly, past, usual, value)
        if one is None or (value.name != own and not _is_odd(one)):
            continue
        best = found.get(value.feature)
        if best is None or value.name == own or abs(one.deviation) > abs(best.deviation):
            found[value.feature] = one if best is None or best.value != own else best
    order = sorted(found.values(), key=lambda one: (one.value != own, -abs(one.deviation)))
    return tuple(order[:MAX_MOVED])


def _is_odd(moved: Moved) -> bool:
    """Far from the median, and not where every tenth value is."""
    usual = moved.usual
    return abs(moved.deviation) >= MOVED_AT and not usual.low <= moved.actual <= usual.high


def _one_moved(anomaly: Anomaly, past: Past, usual: Bools, value: Value) -> Moved | None:
    actual = _while(anomaly, past, value.name)
    before = past.columns.get(value.name, np.empty(0))[usual] if actual is not None else None
    if actual is None or before is None or np.isfinite(before).sum() < ENOUGH:
        return None
    like = _like(before)
    if like is None:
        return None
    distance, spread = actual - like.median, _spread(before)
    deviation = np.clip(distance / spread, -MAX_DEVIATION, MAX_DEVIATION) if distance else 0.0
    return Moved(
        value=value.name, unit=value.unit, actual=actual, usual=like, deviation=float(deviation)
    )


def _spread(values: Floats) -> float:
    """Median absolute deviation as of a normal distribution, at least 2 % of the median."""
    seen = values[np.isfinite(values)]
    median = float(np.median(seen))
    return max(NORMAL * float(np.median(np.abs(seen - median))), 0.02 * abs(median), 1e-9)


def _nearest(anomaly: Anomaly, past: Past, disturbed: Sequence[Anomaly]) -> Normal | None:
    """By the mean distance of the values of load, in their usual spreads."""
    own = anomaly.value_name
    if own not in past.columns:
        return None
    rows = np.flatnonzero(_usual(past, [anomaly, *disturbed]) & np.isfinite(past.columns[own]))
    loads = [
        (name, then, now)
        for name in LOADS
        if name != own and (now := _while(anomaly, past, name)) is not None
        if np.isfinite(then := past.columns[name][rows]).sum() >= ENOUGH
    ]
    if not loads:
        return None
    distances = np.stack([np.abs(then - now) / _spread(then) for _, then, now in loads])
    best = int(np.argmin(np.where(np.isfinite(distances), distances, np.inf).mean(axis=0)))
    return Normal(
        at_us=int(past.at_us[rows[best]]),
        actual=float(past.columns[own][rows[best]]),
        load={name: (float(then[best]), now) for name, then, now in loads},
    )


def _nearby(anomaly: Anomaly, changes: Iterable[Change]) -> tuple[Change, ...]:
    since_us = anomaly.started_at_us - CHANGES_BEFORE_S * SECOND_US
    until_us = anomaly.started_at_us + CHANGES_AFTER_S * SECOND_US
    near = [
        one
        for one in changes
        if since_us <= one.at_us <= until_us and one.kind != "feedback" and _concerns(one, anomaly)
    ]
    return tuple(sorted(near, key=lambda one: (-one.at_us, one.id))[:MAX_CHANGES])


def _concerns(change: Change, anomaly: Anomaly) -> bool:
    """Nothing that it names is somebody else's."""
    named = {"cluster": change.cluster, "pool": change.pool, "replica": change.replica}
    named["node"] = change.node
    mine = {name: text for name, text in named.items() if text and anomaly.labels.get(name)}
    return mine.keys() > {"cluster"} and all(anomaly.labels[name] == mine[name] for name in mine)


def _sentences(anomaly: Anomaly, why: Why, fellows: int) -> Iterable[str]:
    own = anomaly.value_name
    yield anomaly.sentence or f"{own} is {number(anomaly.actual)}"
    for one in why.moved:
        also = "" if one.value == own else "also "
        usual = _range(one.usual, one.unit)
        yield f"{also}{one.value} is {_quantity(one.actual, one.unit)}, usually {usual}"
    unit = _unit(anomaly, own)
    if why.fellows is not None:
        yield f"at the same time {_range(why.fellows, unit)} at {fellows} of its fellows"
    if (near := why.nearest_normal) is not None:
        load = ", ".join(
            f"{name} {number(then)} (now {number(now)})" for name, (then, now) in near.load.items()
        )
        ago_s = (anomaly.started_at_us - near.at_us) / SECOND_US
        yield f"{ago_s:.0f} s before, at {load}, it was {_quantity(near.actual, unit)}"
    if why.day_before is not None:
        yield f"a day before at this time it was {_range(why.day_before, unit)}"
    for change in why.changes:
        ago_s = (anomaly.started_at_us - change.at_us) / SECOND_US
        when = f"{ago_s:.0f} s before it" if ago_s >= 0 else f"{-ago_s:.0f} s after it began"
        yield f"{change.summary}, {when}"
    if anomaly.worth != 1:
        share = f"{number(anomaly.worth)} times an equal share of the budget of false pages"
        yield f"{anomaly.detector} gets {share}, for what it was right and wrong about before"


def _unit(anomaly: Anomaly, name: str) -> str:
    try:
        return find_value(anomaly.kind, name).unit
    except KeyError:
        return anomaly.unit


def _range(like: Usual, unit: str) -> str:
    low, high = number(like.low), _quantity(like.high, unit)
    return high if low == number(like.high) else f"{low} to {high}"


def _quantity(value: float, unit: str) -> str:
    return number(value) if unit in {"ratio", "code", "flag", "bits"} else f"{number(value)} {unit}"
