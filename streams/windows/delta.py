"""Raw records in, tables of their sums per (window, series) out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Final

import msgspec
import numpy as np

from streams.windows.check import Reject, describe
from streams.windows.columns import Group, Mask, instants, summed_columns, whole_numbers
from streams.windows.features import FEATURES
from streams.windows.identity import SeriesIndex
from streams.windows.regroup import merge_tables
from streams.windows.rows import empty_table, take
from streams.windows.table import Ints, Table

_KINDS: Final = ("arrived", "finished", "rejected", "cancelled", "gauge")
_CODE: Final = {kind: code for code, kind in enumerate(_KINDS)}

_MADE_FROM: Final[Mapping[str, str]] = {
    "arrived": "first_tries",
    "prompt_tokens": "first_tries",
    "finished": "succeeded",
    "failed": "failed",
    "rejected": "rejected",
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


@dataclass(frozen=True, slots=True)
class Summed:
    """What a batch of records came to.

    tables: one as a rule; more where the attributes of a series changed within the batch, as a
        table has one set of labels per series.
    rejects: place of each record that was left out -> why.
    """

    tables: Sequence[Table]
    rejects: Mapping[int, Reject] = field(default_factory=dict)


def to_table(kind: str, records: Sequence[msgspec.Struct], *, interval_us: int) -> Table:
    """All sums of records of one kind; records that ``sum_up`` rejects are left out."""
    summed = sum_up(records, interval_us=interval_us, index=SeriesIndex(kind))
    return merge_tables(summed.tables)


def sum_up(records: Sequence[msgspec.Struct], *, interval_us: int, index: SeriesIndex) -> Summed:
    """The sums of records of ``index.kind``, and what had to be left out.

    Left out are records with values that are not finite, negative where that is nonsense, or beyond
    2**53 steps of the feature's scale, and labels that are too long or cannot be printed.
    """
    bad = np.zeros(len(records), np.bool_)
    tables = _tables(records, interval_us, index, bad)
    if not bad.any():
        return Summed(tables)
    rejects = {at: describe(index.kind, records[at]) for at in np.flatnonzero(bad).tolist()}
    fit = [record for at, record in enumerate(records) if at not in rejects]
    return Summed(_tables(fit, interval_us, index, np.zeros(len(fit), np.bool_)), rejects)


def _tables(
    records: Sequence[msgspec.Struct], interval_us: int, index: SeriesIndex, bad: Mask
) -> list[Table]:
    if not records:
        return [empty_table(index.kind)]
    window = instants(records, bad) // interval_us
    codes = index.codes_of(records)
    bad |= index.unfit(codes)
    row, window_of, code_of = _rows(window, codes, np.array(index.series, np.int64))
    everything = Group(records, np.arange(len(records)), row)
    features = FEATURES[index.kind]
    if index.kind == "request":
        named = _request_groups(everything)
        groups = {feature.name: named[_MADE_FROM[feature.name]] for feature in features}
    else:
        groups = {feature.name: everything for feature in features}
    ints, sparse = summed_columns(features, groups, window_of.size, bad)
    series = np.array([index.series[code] for code in code_of.tolist()], np.int64)
    table = Table(index.kind, window_of * interval_us, series, ints, sparse)
    return _with_labels(table, code_of, index)


def _rows(window: Ints, codes: Ints, series_of: Ints) -> tuple[Ints, Ints, Ints]:
    """Row of each record, and window and code of each row, in the order a table has."""
    first = int(window.min())
    width = int(window.max()) - first + 1
    key = codes * width + (window - first)
    keys, row = _distinct(key, (int(codes.max()) + 1) * width)
    window_of, code_of = keys % width + first, keys // width
    order = np.lexsort((code_of, series_of[code_of], window_of))
    place = np.empty(order.size, np.int64)
    place[order] = np.arange(order.size)
    return place[row], window_of[order], code_of[order]


def _distinct(key: Ints, size: int) -> tuple[Ints, Ints]:
    """Sorted distinct keys below ``size``, and for each key its place among them."""
    if size > 8 * key.size + 1024:
        keys, place = np.unique(key, return_inverse=True)
        return keys, place
    seen = np.zeros(size, np.bool_)  # Without sorting, where keys lie dense.
    seen[key] = True
    return np.flatnonzero(seen), (np.cumsum(seen) - 1)[key]


def _request_groups(events: Group) -> dict[str, Group]:
    kinds = map(_CODE.__getitem__, map(attrgetter("kind"), events.records))
    codes = np.fromiter(kinds, np.int8, len(events.records))
    by_kind = {kind: events.part(codes == code) for kind, code in _CODE.items()}
    arrived, answered = by_kind["arrived"], by_kind["finished"]
    reasons = map(attrgetter("reason"), answered.records)
    failed = np.fromiter(map(bool, reasons), np.bool_, len(answered.records))
    failed |= whole_numbers(answered.records, "status") >= 500
    return {
        "first_tries": arrived.part(whole_numbers(arrived.records, "attempt") == 0),
        "answered": answered,
        "succeeded": answered.part(~failed),
        "failed": answered.part(failed),
        "ended": events.part((codes == _CODE["finished"]) | (codes == _CODE["cancelled"])),
        "rejected": by_kind["rejected"],
        "cancelled": by_kind["cancelled"],
        "gauge": by_kind["gauge"],
    }


def _with_labels(table: Table, code_of: Ints, index: SeriesIndex) -> list[Table]:
    """One table for the first labels of every series, one for the second, ..."""
    turn_of: dict[int, int] = {}
    turns_of_series: dict[int, int] = {}
    for code in np.unique(code_of).tolist():
        series = index.series[code]
        turn_of[code] = turns_of_series.get(series, 0)
        turns_of_series[series] = turn_of[code] + 1
    turns = np.array([turn_of[code] for code in code_of.tolist()])
    tables = []
    for turn in range(max(turns_of_series.values())):
        codes = [code for code, its_turn in turn_of.items() if its_turn == turn]
        labels = {index.series[code]: index.labels[code] for code in codes}
        tables.append(take(replace(table, labels=labels), turns == turn))
    return tables
