"""What a run shows, second by second, as arrays; windows of it as WATCH would have them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar, get_args

import numpy as np
import numpy.typing as npt

from detectors.laboratory.cluster import Cluster, Labels
from streams.schemas.anomalies import SeriesKind
from streams.series import series_id
from streams.windows.features import FEATURES, Feature, Merge
from streams.windows.histogram import counted
from streams.windows.rows import INT64_MAX, INT64_MIN, take
from streams.windows.table import Floats, Ints, Sparse, Table

SECOND_US: Final = 1_000_000
KINDS: Final[tuple[SeriesKind, ...]] = get_args(SeriesKind)
Bools = npt.NDArray[np.bool_]
T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Spread:
    """Values of a distribution, each with its second and the column of its series."""

    second: Ints
    column: Ints
    value: Floats


@dataclass(slots=True, kw_only=True)
class Readings:
    """Arrays are [second, series], by kind and feature; NaN where nothing was read.

    series: in the order of ``Cluster.labels``: replicas, GPUs, and for requests tenants and then
        pools.
    present: whether the series was heard of in that second.
    """

    cluster: Cluster
    series: Mapping[str, Mapping[str, Floats]]
    spreads: Mapping[str, Spread]
    """Of requests, by feature."""
    present: Mapping[str, Bools]

    @property
    def seconds(self) -> int:
        return len(self.present["engine"])


class Columns:
    """All windows of a kind at once, [window, series]; each is then cut out of them.

    step_s: seconds of a window; what is left over at the end of a run is in none.
    """

    def __init__(self, readings: Readings, kind: str, step_s: int) -> None:
        labels = readings.cluster.labels(kind)
        keys = np.array([series_id(kind, one) for one in labels], np.int64)
        self._order = np.argsort(keys)
        self._keys = keys[self._order]
        self._labels = _labels(keys, labels)
        self._kind = kind
        heard = readings.present[kind]
        self.windows = heard.shape[0] // step_s
        self._heard: Bools = np.any(self._cut(heard, step_s), axis=1)
        self._ints: dict[str, Ints] = {}
        self._sparse: dict[str, tuple[Sparse, Ints]] = {}
        for feature in FEATURES[kind]:
            values = readings.series[kind].get(feature.name)
            if feature.name in readings.spreads and kind == "request":
                self._spread(feature, readings.spreads[feature.name], step_s)
            elif values is not None:
                seen = np.where(heard, values, np.nan)
                self._feature(feature, self._cut(seen, step_s), step_s)

    def table(self, number: int, at_us: int) -> Table | None:
        heard = self._heard[number]
        if not heard.any():
            return None
        table = Table(
            self._kind,
            np.full(heard.size, at_us),
            self._keys,
            {name: column[number] for name, column in self._ints.items()},
            {name: self._buckets(name, number) for name in self._sparse},
            self._labels,
        )
        return take(table, heard)

    def _cut(self, values: npt.NDArray[T], step_s: int) -> npt.NDArray[T]:
        """[window, second of it, series in order of their keys]."""
        whole = values[: self.windows * step_s, self._order]
        return whole.reshape(self.windows, step_s, -1)

    def _feature(self, feature: Feature, values: Floats, step_s: int) -> None:
        fixed = np.rint(np.nan_to_num(values) * feature.scale).astype(np.int64)
        if feature.merge in {Merge.COUNT, Merge.SUM}:
            self._ints[feature.name] = fixed.sum(axis=1)
            return
        seen = np.isfinite(values)
        self._moments(
            feature.name,
            seen.sum(axis=1),
            fixed.sum(axis=1),
            np.where(seen, fixed, INT64_MAX).min(axis=1),
            np.where(seen, fixed, INT64_MIN).max(axis=1),
        )
        if feature.merge is Merge.HISTOGRAM:
            second, column = np.divmod(np.flatnonzero(seen), seen.shape[2])
            row = second // step_s * seen.shape[2] + column
            self._histogram(feature.name, row, fixed.reshape(-1)[np.flatnonzero(seen)])

    def _spread(self, feature: Feature, spread: Spread, step_s: int) -> None:
        place = np.argsort(self._order)[spread.column]
        row = spread.second // step_s * self._order.size + place
        inside = spread.second < self.windows * step_s
        row, fixed = row[inside], np.rint(spread.value[inside] * feature.scale).astype(np.int64)
        size = self.windows * self._order.size
        low, high = np.full(size, INT64_MAX), np.full(size, INT64_MIN)
        total = np.zeros(size, np.int64)
        np.minimum.at(low, row, fixed)
        np.maximum.at(high, row, fixed)
        np.add.at(total, row, fixed)
        shape = self.windows, self._order.size
        count = np.bincount(row, minlength=size)
        self._moments(feature.name, *(one.reshape(shape) for one in (count, total, low, high)))
        self._histogram(feature.name, row, fixed)

    def _moments(self, name: str, *parts: Ints) -> None:
        for suffix, part in zip(("n", "sum", "min", "max"), parts, strict=True):
            self._ints[f"{name}.{suffix}"] = part

    def _histogram(self, name: str, row: Ints, fixed: Ints) -> None:
        buckets = counted(row, fixed)
        edges = np.arange(self.windows + 1) * self._order.size
        self._sparse[name] = buckets, np.searchsorted(buckets.row, edges)

    def _buckets(self, name: str, number: int) -> Sparse:
        buckets, edges = self._sparse[name]
        part = slice(edges[number], edges[number + 1])
        row = buckets.row[part] - number * self._order.size
        return Sparse(row, buckets.bucket[part], buckets.count[part])


def _labels(keys: Ints, labels: Sequence[Labels]) -> Mapping[int, Labels]:
    return dict(zip(keys.tolist(), labels, strict=True))
