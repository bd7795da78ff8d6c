"""What one sender did in the last minute in; what is wrong with it, in sentences, out. Pure."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from streams.clock import SECOND_US
from streams.origin_rows import Row
from streams.windows.features import FEATURES, Feature
from streams.windows.ranges import Unit, confused_unit

Kind = Literal["unit", "clock", "late", "dead", "missing", "lost", "range", "repeated"]
KINDS: Final[Sequence[Kind]] = (
    "unit", "clock", "late", "dead", "missing", "lost", "range", "repeated",
)  # fmt: skip
"""The worst first: those that make windows wrong or empty, then gaps, then what does no harm."""

NEARLY_ALL: Final = 0.95
UNIT_INTERVALS: Final = 3
UNIT_VALUES: Final = 5
"""So long and so many: no stretch of slow requests looks like another unit."""
LATE_RATIO: Final = 0.01
LATE_LEAST: Final = 5
BEHIND_S: Final = 1.0
AHEAD_S: Final = 0.5
REPEATED_LEAST: Final = 3

_FEATURES: Final = {
    feature.source: feature for features in FEATURES.values() for feature in features
}
_SAME: Final = 0.02
"""Two instants that differ by a factor of a thousand do so to this, for a year around now."""
_INSTANTS: Final = (
    (1e3, "milliseconds", "multiply it by 1,000"),
    (1e6, "seconds", "multiply it by 1,000,000"),
    (1e-3, "nanoseconds", "divide it by 1,000"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortcoming:
    """One thing that is wrong.

    weight: the share of records or values that it concerns. since_us: as far back as is known.
    """

    kind: Kind
    sentence: str
    advice: str
    weight: float
    since_us: int
    field: str = ""


def shortcomings(rows: Sequence[Row], from_the_start: Collection[str]) -> list[Shortcoming]:
    """Of one origin with at least one row.

    from_the_start: fields that never had a value that was beyond doubt.
    """
    clock = list(_clock(rows))
    values = [each for name in _doubted(rows) for each in _values(name, rows, from_the_start)]
    found = [*values, *clock, *_frames(rows)]
    # Whose clock is wrong sends late, or from the future, as well: that is said once.
    unknown = clock or not _is_known(rows)
    return [*found, *(_dead(rows, "dead") if unknown else _untimely(rows))]


def _doubted(rows: Sequence[Row]) -> list[str]:
    return sorted({one.field for row in rows for one in row.doubtful} & _FEATURES.keys())


def _values(
    name: str, rows: Sequence[Row], from_the_start: Collection[str]
) -> Iterator[Shortcoming]:
    feature, doubts = _FEATURES[name], _doubts(name, rows)
    values, out = doubts.values, doubts.implausible
    unit = confused_unit(feature.name, feature.unit, doubts.least, doubts.most)
    enough = doubts.doubtful if name in from_the_start else out
    if unit is not None and enough >= NEARLY_ALL * values:
        if doubts.intervals >= UNIT_INTERVALS and values >= UNIT_VALUES:
            yield Shortcoming(
                kind="unit",
                field=name,
                sentence=f"{name} looks like {unit.name}: {_said(feature, doubts)}",
                advice=_converted(unit),
                weight=doubts.doubtful / values,
                since_us=doubts.since_us,
            )
    elif out:
        yield Shortcoming(
            kind="range",
            field=name,
            sentence=f"{name} is implausible in {out} of {values} values: "
            + _said(feature, doubts),
            advice="look at who sends it: the values are in the windows",
            weight=out / values,
            since_us=doubts.since_us,
        )


@dataclass(frozen=True, slots=True)
class _Doubts:
    """Of one field over all rows."""

    values: int
    doubtful: int
    implausible: int
    least: float
    most: float
    intervals: int
    since_us: int


def _doubts(name: str, rows: Sequence[Row]) -> _Doubts:
    found = [(row.from_us, one) for row in rows for one in row.doubtful if one.field == name]
    return _Doubts(
        sum(one.values for _, one in found),
        sum(one.doubtful for _, one in found),
        sum(one.implausible for _, one in found),
        min(one.least for _, one in found),
        max(one.most for _, one in found),
        len({from_us for from_us, _ in found}),
        min(from_us for from_us, _ in found),
    )


def _said(feature: Feature, doubts: _Doubts) -> str:
    least, most = doubts.least, doubts.most
    said = f"{_short(least)} to {_short(most)}" if least < most else _short(least)
    return f"{said} where {_expected(feature, least)} is expected"


def _expected(feature: Feature, least: float) -> str:
    bounds, unit = feature.range, "" if feature.unit == "ratio" else f" {feature.unit}"
    if least < bounds.low:
        return f"at least {_short(bounds.low)}{unit}"
    return f"at most {_short(bounds.doubtful or bounds.high)}{unit}"


def _converted(unit: Unit) -> str:
    how = f"divide by {1 / unit.factor:,.0f}"
    if unit.factor > 1:
        how = f"multiply by {unit.factor:,.0f}"
    return f"{how}, or set unit: {unit.symbol} in its mapping" if unit.symbol else how


def _clock(rows: Sequence[Row]) -> Iterator[Shortcoming]:
    told = [row for row in rows if row.records > row.dead]
    if not _is_known(told):
        return
    offsets_s = [row.least_behind_us / SECOND_US for row in told]
    newest = told[-1]
    allowed_s = max(BEHIND_S, newest.lateness_s / 2)
    at_us = newest.from_us - newest.least_behind_us
    off_s = span(abs(offsets_s[-1]))
    if unit := _instant_unit(at_us, newest.from_us):
        sentence, advice = f"at_us looks like {unit[0]}", f"at_us is in microseconds: {unit[1]}"
    elif min(offsets_s) > allowed_s:
        sentence = f"its clock is about {off_s} behind, or its records take that long"
        advice = f"set its clock; what comes more than {newest.lateness_s:g} s late counts nowhere"
    elif max(offsets_s) < -AHEAD_S:
        sentence = f"its clock is about {off_s} ahead"
        advice = "set its clock; what is too far ahead becomes a dead letter"
    else:
        return
    yield Shortcoming(
        kind="clock", sentence=sentence, advice=advice, weight=1.0, since_us=told[0].from_us
    )


def _instant_unit(at_us: int, about_us: int) -> tuple[str, str] | None:
    if at_us <= 0:
        return None
    ratio = about_us / at_us
    fitting = (each for each in _INSTANTS if abs(ratio / each[0] - 1) < _SAME)
    return next((each[1:] for each in fitting), None)


def _late(rows: Sequence[Row]) -> Iterator[Shortcoming]:
    late, records = _sum(rows, "late"), _sum(rows, "records")
    if late >= LATE_LEAST and late >= LATE_RATIO * records:
        yield Shortcoming(
            kind="late",
            sentence=f"{_share(late, records)} of its records come more than "
            f"{rows[-1].lateness_s:g} s late and are in no window",
            advice="send sooner, or raise windows.lateness_s (of a mapping, its own)",
            weight=late / records,
            since_us=_first(rows, "late"),
        )


def _is_known(rows: Sequence[Row]) -> bool:
    """One interval is chance."""
    return len({row.from_us for row in rows}) > 1


def _untimely(rows: Sequence[Row]) -> Iterator[Shortcoming]:
    yield from _dead(rows, "dead", "far_future")
    yield from _late(rows)


def _dead(rows: Sequence[Row], *counts: str) -> Iterator[Shortcoming]:
    dead, records = sum(_sum(rows, name) for name in counts), _sum(rows, "records")
    if dead:
        yield Shortcoming(
            kind="dead",
            sentence=f"{dead} of {records} records could not be used",
            advice="the topic dead-letters says why, one by one",
            weight=dead / records,
            since_us=min(_first(rows, name) for name in counts if _sum(rows, name)),
        )


def _frames(rows: Sequence[Row]) -> Iterator[Shortcoming]:
    lost, repeated = _sum(rows, "lost_frames"), _sum(rows, "repeated_frames")
    frames = "frame was" if lost == 1 else "frames were"
    if lost > 0:
        yield Shortcoming(
            kind="lost",
            sentence=f"{lost} {frames} lost on the way to the log",
            advice="look at what the sender counts as dropped, and at its way to the broker",
            weight=1.0,
            since_us=_first(rows, "lost_frames"),
        )
    if repeated >= REPEATED_LEAST:
        yield Shortcoming(
            kind="repeated",
            sentence=f"{repeated} frames came again; each counts once",
            advice="see why the sender thinks they did not arrive",
            weight=1.0,
            since_us=_first(rows, "repeated_frames"),
        )


def span(seconds: float) -> str:
    """A length of time.

    >>> [span(s) for s in (0.82, 3.24, 3_600, 3e5, 1.7e9)]
    ['0.8 s', '3.2 s', '60 min', '3.5 days', '53.9 years']
    """
    steps: tuple[tuple[float, float, Callable[[float], str]], ...] = (
        (120, 1, lambda n: f"{n:.1f} s"),
        (7_200, 60, lambda n: f"{n:.0f} min"),
        (172_800, 3_600, lambda n: f"{n:.0f} h"),
        (3e7, 86_400, lambda n: f"{n:.1f} days"),
    )
    for below, size, said in steps:
        if seconds < below:
            return said(seconds / size)
    return f"{seconds / 31_556_952:.1f} years"


def _short(value: float) -> str:
    """Four digits that matter.

    >>> [_short(v) for v in (0.00123456, 87, 812.4, 81_920, 8.2e9)]
    ['0.001235', '87', '812.4', '81,920', '8.2e+09']
    """
    return f"{value:,.0f}" if 10_000 <= value < 1e9 else f"{value:.4g}"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2g} %" if part < whole else "all"


def _sum(rows: Sequence[Row], name: str) -> int:
    return sum(getattr(row, name) for row in rows)


def _first(rows: Sequence[Row], name: str) -> int:
    return min((row.from_us for row in rows if getattr(row, name)), default=rows[0].from_us)
