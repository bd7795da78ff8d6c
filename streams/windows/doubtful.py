"""Columns of a batch in, what each origin has sent of doubtful values out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from streams.schemas.origins import Doubtful
from streams.windows.columns import Seen
from streams.windows.features import FEATURES, Feature, Merge
from streams.windows.histogram import VALUE_LIMIT
from streams.windows.rows import INT64_MAX
from streams.windows.table import Ints

MAX_KEPT: Final = 1_000
"""Fields of origins that are told of in an interval; of more, nothing is said."""


@dataclass(frozen=True, slots=True)
class _Check:
    """Bounds of what is plausible and of what is beyond doubt, in fixed point."""

    feature: Feature
    low: int
    doubtful: int
    high: int


@dataclass(slots=True)
class _Found:
    values: int = 0
    doubtful: int = 0
    implausible: int = 0
    least: int = INT64_MAX
    most: int = 0

    def add(self, values: int, fixed: Ints, check: _Check) -> None:
        """``fixed``: the doubtful ones."""
        self.values += values
        self.doubtful += fixed.size
        out = (fixed > check.high) | (fixed < check.low)
        self.implausible += int(np.count_nonzero(out))
        self.least = min(self.least, int(fixed.min(initial=INT64_MAX)))
        self.most = max(self.most, int(fixed.max(initial=0)))


class Doubts:
    """What the origins of one interval sent; an origin is a number below ``origins``.

    Where a column holds no doubtful value, as nearly always, a look at its greatest is all it
    costs. The values of an origin's field count from the first doubtful one on, so that it does not
    matter how the log is cut.
    """

    def __init__(self, kind: str, origins: int) -> None:
        self._checks = {check.feature.source: check for check in _checks(kind)}
        self._origins = origins
        self._found: dict[str, dict[int, _Found]] = {}

    def add(self, seen: Mapping[str, Seen], origin: Ints) -> None:
        """``origin``: of the record at each place, -1 for one that does not count."""
        for field, check in self._checks.items():
            mine = seen[check.feature.name]
            if mine.fixed.size and (
                field in self._found
                or mine.fixed.max() > check.doubtful
                or (check.low and mine.fixed.min() < check.low)
            ):
                self._look(field, mine, origin)

    def told(self, place_of: Mapping[int, int]) -> Iterator[Doubtful]:
        """``place_of``: origin -> its place in ``Origins.names``."""
        for field, found in sorted(self._found.items()):
            scale = self._checks[field].feature.scale
            for origin in sorted(found, key=place_of.__getitem__):
                one = found[origin]
                yield Doubtful(
                    origin=place_of[origin],
                    field=field,
                    values=one.values,
                    doubtful=one.doubtful,
                    implausible=one.implausible,
                    least=one.least / scale,
                    most=one.most / scale,
                )

    def resume(self, told: Sequence[Doubtful]) -> None:
        """Take up what ``told`` said, with the numbers of the origins for their places."""
        for one in told:
            scale = self._checks[one.field].feature.scale
            self._found.setdefault(one.field, {})[one.origin] = _Found(
                one.values,
                one.doubtful,
                one.implausible,
                round(one.least * scale),
                round(one.most * scale),
            )

    def clear(self) -> None:
        self._found = {}

    def _look(self, field: str, seen: Seen, origin: Ints) -> None:
        check, known = self._checks[field], self._found.get(field, {})
        counts = (seen.fixed != 0) & (origin[seen.at] >= 0)
        at, fixed = seen.at[counts], seen.fixed[counts]
        whose = origin[at]
        doubtful = (fixed > check.doubtful) | (fixed < check.low)
        begin = np.full(self._origins, INT64_MAX)
        np.minimum.at(begin, whose[doubtful], at[doubtful])
        begin[list(known)] = -1
        values = np.bincount(whose[at >= begin[whose]], minlength=self._origins)
        for number in np.flatnonzero(values).tolist():
            if number in known or sum(map(len, self._found.values())) < MAX_KEPT:
                one = self._found.setdefault(field, {}).setdefault(number, _Found())
                one.add(int(values[number]), fixed[doubtful & (whose == number)], check)


def _checks(kind: str) -> Iterator[_Check]:
    for feature in FEATURES[kind]:
        bounds, scale = feature.range, feature.scale
        high = round(min(bounds.high * scale, VALUE_LIMIT))
        doubtful = round(bounds.doubtful * scale) or high
        low = round(bounds.low * scale)
        if feature.merge is not Merge.COUNT and (low or doubtful < VALUE_LIMIT):
            yield _Check(feature, low, doubtful, high)
