"""Fields of records in, what they add to each feature out: fixed-point columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from streams.windows.check import INSTANT_LIMIT, Reject
from streams.windows.features import FEATURES, RARE, Feature, Merge
from streams.windows.fields import Fields, Mask
from streams.windows.histogram import VALUE_LIMIT
from streams.windows.identity import SeriesIndex
from streams.windows.spread import read_spread
from streams.windows.table import Ints

_CODE: Final = {
    kind: code
    for code, kind in enumerate(("arrived", "finished", "rejected", "cancelled", "gauge"))
}
_MADE_FROM: Final[Mapping[str, str]] = {
    "arrived": "first_tries",
    "prompt_tokens": "first_tries",
    "finished": "succeeded",
    "failed": "failed",
    "rejected": "rejected",
    "shed": "shed",
    "cancelled": "cancelled",
    "output_tokens": "ended",
    "queue_s": "answered",
    "ttft_s": "answered",
    "inter_token_s": "answered",
    "duration_s": "answered",
    "queued": "gauge",
    "in_flight": "gauge",
}
"""Feature of requests -> which events it is made from (``_request_groups``)."""
_NONE: Final = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Seen:
    """Places of the records that show a feature; for other than counts, its value in each.

    times: how often each value was seen, where that is not once; a place may then come repeatedly.
    """

    at: Ints
    fixed: Ints
    times: Ints | None = None


_NOWHERE: Final = Seen(_NONE, _NONE)


@dataclass(frozen=True, slots=True)
class Columns:
    """All that the sums need of some records.

    code: which series, as in the index they were read with. rejects: place -> why it is unfit.
    """

    at_us: Ints
    code: Ints
    seen: Mapping[str, Seen]
    rejects: Mapping[int, Reject] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Group:
    """Some of the records, and their places among all."""

    fields: Fields
    at: Ints

    def part(self, which: Mask) -> "_Group":
        places = np.flatnonzero(which)
        return _Group(self.fields.part(places), self.at[places])


def read_columns(fields: Fields, index: SeriesIndex) -> Columns:
    """No Python code per record beyond reading fields.

    Unfit are records with values that are not finite, impossible (``ranges.py``), or beyond 2**53
    steps of the feature's scale, and labels that are too long or cannot be printed.
    """
    bad = fields.unreadable()
    at_us, code = fields.whole("at_us"), fields.series(index)
    bad |= (np.abs(at_us) >= INSTANT_LIMIT) | (code < 0)
    groups = _groups(index.kind, _Group(fields, np.arange(len(fields))))
    rare = RARE[index.kind]
    absent = rare if rare and not fields.has_any(rare) else ()
    seen = {
        feature.name: _NOWHERE
        if feature.name in absent
        else _seen(feature, groups[feature.name], bad)
        for feature in FEATURES[index.kind]
    }
    rejects = {place: fields.flaw(index.kind, place) for place in np.flatnonzero(bad).tolist()}
    return Columns(at_us, code, seen, rejects)


def joined(parts: Sequence[Columns], kind: str) -> Columns:
    """One after the other."""
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(part.at_us.size for part in parts)]).tolist()
    shifted = list(zip(parts, starts, strict=False))
    seen = {
        feature.name: _joined_seen([(p.seen[feature.name], start) for p, start in shifted])
        for feature in FEATURES[kind]
    }
    return Columns(
        _concatenated([part.at_us for part in parts]),
        _concatenated([part.code for part in parts]),
        seen,
        {place + start: why for part, start in shifted for place, why in part.rejects.items()},
    )


def _joined_seen(parts: Sequence[tuple[Seen, int]]) -> Seen:
    repeated = any(seen.times is not None for seen, _ in parts)
    return Seen(
        _concatenated([seen.at + start for seen, start in parts]),
        _concatenated([seen.fixed for seen, _ in parts]),
        _concatenated([_times(seen) for seen, _ in parts]) if repeated else None,
    )


def _times(seen: Seen) -> Ints:
    return np.ones(seen.at.size, np.int64) if seen.times is None else seen.times


def _concatenated(parts: Sequence[Ints]) -> Ints:
    return np.concatenate([_NONE, *parts])


def _groups(kind: str, everything: _Group) -> Mapping[str, _Group]:
    if kind != "request":
        return dict.fromkeys((feature.name for feature in FEATURES[kind]), everything)
    named = _request_groups(everything)
    return {name: named[group] for name, group in _MADE_FROM.items()}


def _request_groups(events: _Group) -> dict[str, _Group]:
    codes = events.fields.choices("kind", _CODE)
    by_kind = {kind: events.part(codes == code) for kind, code in _CODE.items()}
    arrived, answered, rejected = by_kind["arrived"], by_kind["finished"], by_kind["rejected"]
    failed = answered.fields.filled("reason") | (answered.fields.whole("status") >= 500)
    return {
        "first_tries": arrived.part(arrived.fields.whole("attempt") == 0),
        "answered": answered,
        "succeeded": answered.part(~failed),
        "failed": answered.part(failed),
        "ended": events.part((codes == _CODE["finished"]) | (codes == _CODE["cancelled"])),
        "rejected": rejected,
        # Limits and mistakes of the client are told with 4xx.
        "shed": rejected.part(rejected.fields.whole("status") >= 500),
        "cancelled": by_kind["cancelled"],
        "gauge": by_kind["gauge"],
    }


def _seen(feature: Feature, group: _Group, bad: Mask) -> Seen:
    """Marks in ``bad`` the records with unfit values."""
    match feature.merge:
        case Merge.COUNT:
            return Seen(group.at, _NONE)
        case Merge.SUM:
            numbers = group.fields.whole(feature.source)
            bad[group.at[(numbers < 0) | (numbers >= VALUE_LIMIT)]] = True
            return Seen(group.at, numbers)
        case Merge.GAUGE:
            return _fixed(feature, group, bad)
        case Merge.HISTOGRAM:
            seen = _fixed(feature, group, bad)
            return _with_spreads(feature, group, bad, seen) if feature.spread else seen


def _with_spreads(feature: Feature, group: _Group, bad: Mask, single: Seen) -> Seen:
    """Where a record has many values, these instead of their mean."""
    places, texts = group.fields.texts(feature.spread)
    if not places.size:
        return single
    at = group.at[places]
    read = [read_spread(text, feature.scale) for text in texts]
    bad[at[[spread is None for spread in read]]] = True
    found = [(place, *spread) for place, spread in zip(at.tolist(), read, strict=True) if spread]
    alone = ~np.isin(single.at, at)
    return Seen(
        _concatenated([single.at[alone], *(np.full(v.size, place) for place, v, _ in found)]),
        _concatenated([single.fixed[alone], *(values for _, values, _ in found)]),
        _concatenated([_times(single)[alone], *(times for *_, times in found)]),
    )


def _fixed(feature: Feature, group: _Group, bad: Mask) -> Seen:
    places, values = group.fields.numbers(feature.source)
    if not places.size:
        return Seen(_NONE, _NONE)
    at = group.at if places.size == group.at.size else group.at[places]
    with np.errstate(over="ignore"):  # What becomes infinite is beyond the limit, too.
        scaled = values * feature.scale
    # What rounds to 0 is no negative duration.
    fit = (scaled > feature.range.least * feature.scale - 0.5) & (scaled < VALUE_LIMIT)
    if not fit.all():
        bad[at[~fit]] = True
        at, scaled = at[fit], scaled[fit]
    return Seen(at, np.rint(scaled).astype(np.int64))
