"""A share or a mean apart from that of fellows, or of the past, weighed by how much was seen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np

from detectors.banks.base import Bools, Floats, Reading, Rows, bounded, cleared, first_column, grown
from detectors.fellows import group_of, median_of_others
from streams.errors import InvalidParameterError

HALVINGS: Final = 24
"""The boundary is found to a millionth of its distance."""
UNLIKE: Final = 0.26
"""Logarithm of the ratio from which on work is another (1.3 times as much each time),"""
UNLIKE_EVIDENCE: Final = 3.0
"""and how sure that has to be; less than for an anomaly, as it must be known before that."""


@dataclass(slots=True)
class ApartState:
    """Everything a snapshot has to keep."""

    group: Rows
    """By row."""
    seen: Floats
    """Windows,"""
    past: Floats
    """and [part, whole], averaged over the long past."""
    schema: Literal[1] = field(default=1, kw_only=True)


@dataclass(frozen=True, slots=True)
class _Sums:
    """Part and whole of each series, and of what it is compared with.

    usual: what part is of whole there, of fellows the median one's; NaN without any, or where they
        had other work to do.
    """

    part: Floats
    whole: Floats
    others_part: Floats
    others_whole: Floats
    usual: Floats

    @property
    def seen(self) -> Bools:
        return (self.whole > 0) & ~np.isnan(self.usual)


class ApartBank:
    """Whether one of many gives other answers than its fellows do for the same clients.

    Two values, rates smoothed with ``half_life_s``: how many were bad, of how many (``share``), or
    their sum, of how many (``mean``). As both are sums over the same fading past, the fellows show
    what clients ask for just now. With L the log-likelihood ratio of "it has a share of its own"
    to "all have the same": ``score = min(L / evidence, distance from the median fellow / least)``,
    the distance of a mean being ``|log(own / usual)|``. L needs no normal distribution and no
    warm-up: it makes as much of three answers as there is to make of them. 0 without fellows.

    A third value is what the series was given to do, in all (tokens of prompts). A router that
    keeps clients or prefixes to replicas gives each its own; then fellows are no yardstick: 0 where
    it was given other work for each than the median fellow was.

    With ``past_s`` a series is compared with its own past instead, whoever its fellows are. What
    lasts becomes the past.

    half_life_s: as ``smooth_s`` of the detector: so much of the past a smoothed rate stands for.
    evidence: log-likelihood ratio on the boundary.
    least: distance on the boundary.
    by: labels that fellows have in common.
    past_s: half-life of the past; 0 for fellows.

    >>> bank, rows = ApartBank(half_life_s=20), np.arange(3)
    >>> bank.score(rows, np.array([[0.01, 0.8], [0.0, 0.8], [0.6, 0.8]])).round(2)
    array([0.72, 0.86, 2.45])
    """

    def __init__(  # noqa: PLR0913 (a bank's options, always by keyword)
        self,
        *,
        of: str = "share",
        half_life_s: float = 30.0,
        evidence: float = 10.0,
        least: float = 0.3,
        by: tuple[str, ...] | list[str] = ("cluster", "pool"),
        past_s: float = 0.0,
        step_s: float = 1.0,
    ) -> None:
        if of not in SURPRISE:
            raise InvalidParameterError("of", of, f"one of {', '.join(SURPRISE)}")
        options = {"half_life_s": half_life_s, "evidence": evidence, "least": least}
        for name, value in options.items():
            if value <= 0:
                raise InvalidParameterError(name, value, "more than 0")
        if past_s and past_s <= half_life_s:
            raise InvalidParameterError("past_s", past_s, f"0, or more than {half_life_s:g} s")
        self.state = ApartState(np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 2)))
        self._surprise, self._distance = SURPRISE[of], DISTANCE[of]
        self._evidence, self._least = evidence, least
        self._over_s = half_life_s / np.log(2)
        self._past_s, self._step_s = past_s / np.log(2), step_s
        self._weight = 1 - 0.5 ** (step_s / past_s) if past_s else 0.0
        self._by = tuple(by)

    def admit(self, row: int, labels: Mapping[str, str]) -> None:
        state = self.state = cleared(self.state, row)
        state.group[row] = group_of(labels, self._by)

    def score(self, rows: Rows, values: Floats) -> Floats:
        return self._score(self._sums(rows, values))

    def explain(self, rows: Rows, values: Floats) -> Reading:
        sums = self._sums(rows, values)
        score = self._score(sums)
        expected = np.where(np.isnan(sums.usual), sums.part, sums.usual * sums.whole)
        above = sums.part > expected
        edge = self._edge(sums, expected, score)
        return Reading(
            score=score,
            expected=expected / self._over_s,
            lower=np.where(above | np.isinf(edge), -np.inf, edge) / self._over_s,
            upper=np.where(above, edge, np.inf) / self._over_s,
            above=above,
            column=first_column(rows),
        )

    def learn(self, rows: Rows, values: Floats, weights: Floats | float = 1.0) -> None:
        if not self._past_s:
            return  # What fellows show now is all it goes by.
        state = self.state = grown(self.state, rows)
        gain = weights * np.maximum(self._weight, 1 / (state.seen[rows] + 1))
        now = np.maximum(np.stack(_parts(values), axis=1), 0.0)
        state.past[rows] += np.reshape(gain, (-1, 1)) * (now - state.past[rows])
        state.seen[rows] += 1

    def _sums(self, rows: Rows, values: Floats) -> _Sums:
        part, whole = (np.maximum(one, 0.0) * self._over_s for one in _parts(values))
        if self._past_s:
            return self._with_past(rows, part, whole)
        group = grown(self.state, rows).group[rows]
        sums = _beside_fellows(group, part, whole)
        if values.ndim > 1 and values.shape[1] > 2:
            given = _beside_fellows(group, np.maximum(values[:, 2], 0.0) * self._over_s, whole)
            sums = replace(sums, usual=np.where(_is_unlike(given), np.nan, sums.usual))
        return sums

    def _with_past(self, rows: Rows, part: Floats, whole: Floats) -> _Sums:
        state = grown(self.state, rows)
        stands_for_s = np.minimum(state.seen[rows] * self._step_s, self._past_s)
        before, of = state.past[rows].T * stands_for_s
        usual = np.divide(before, of, out=np.full(rows.size, np.nan), where=of > 0)
        return _Sums(part, whole, before, of, usual)

    def _score(self, sums: _Sums) -> Floats:
        usual = np.where(sums.seen, sums.usual, 0.0)
        far = self._distance(_ratio(sums.part, sums.whole), usual) / self._least
        score = np.minimum(self._surprise(sums) / self._evidence, far)
        return bounded(np.where(sums.seen, score, 0.0))

    def _edge(self, sums: _Sums, expected: Floats, score: Floats) -> Floats:
        """How far a part may lie from what was expected of it, on its side, as it is beyond that.

        Infinite for the others: where they would be beyond it is not worth the time to find.
        """
        edge = np.full(score.size, np.inf)
        out = np.flatnonzero(score >= 1)
        inside, outside = expected[out], sums.part[out]
        others = (sums.others_part[out], sums.others_whole[out], sums.usual[out])
        for _ in range(HALVINGS if out.size else 0):
            middle = (inside + outside) / 2
            beyond = self._score(_Sums(middle, sums.whole[out], *others)) >= 1
            inside, outside = np.where(beyond, inside, middle), np.where(beyond, middle, outside)
        edge[out] = outside
        return edge


def _beside_fellows(group: Rows, part: Floats, whole: Floats) -> _Sums:
    usual = median_of_others(_ratio(part, whole), group, whole > 0)
    _, place = np.unique(group, return_inverse=True)
    bad, seen = (np.bincount(place, one)[place] - one for one in (part, whole))
    # What is left of a sum without its only member is not quite 0.
    return _Sums(part, whole, np.maximum(bad, 0.0), np.maximum(seen, 0.0), usual)


def _is_unlike(given: _Sums) -> Bools:
    usual = np.where(given.seen, given.usual, 0.0)
    far = DISTANCE["mean"](_ratio(given.part, given.whole), usual) >= UNLIKE
    return given.seen & far & (_of_means(given) >= UNLIKE_EVIDENCE)


def _of_shares(sums: _Sums) -> Floats:
    """Bernoulli: ``sum of whole * KL(own share || common share)``."""
    common = _ratio(sums.part + sums.others_part, sums.whole + sums.others_whole)
    total = np.zeros(common.size)
    for bad, seen in ((sums.part, sums.whole), (sums.others_part, sums.others_whole)):
        good = np.maximum(seen - bad, 0.0)
        total += bad * _log(bad, seen * common) + good * _log(good, seen * (1 - common))
    return total


def _of_means(sums: _Sums) -> Floats:
    """Exponential: ``sum of whole * log(common mean / own mean)``."""
    common = 1 + _ratio(sums.part + sums.others_part, sums.whole + sums.others_whole)
    own, others = 1 + _ratio(sums.part, sums.whole), 1 + _ratio(sums.others_part, sums.others_whole)
    return sums.whole * _log(common, own) + sums.others_whole * _log(common, others)


SURPRISE: Final[Mapping[str, Callable[[_Sums], Floats]]] = {"mean": _of_means, "share": _of_shares}
"""By what part / whole is: how sure it is that a series has one of its own.

Values of means count from 1 on: that a few of them are 0 must not be infinitely surprising."""
DISTANCE: Final[Mapping[str, Callable[[Floats, Floats], Floats]]] = {
    "mean": lambda own, usual: np.abs(_log(1 + own, 1 + usual)),
    "share": lambda own, usual: np.abs(own - usual),
}


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _log(above: Floats, below: Floats) -> Floats:
    """Of their ratio; 0 where one of them is 0, as what it is multiplied by is 0 there too."""
    both = (above > 0) & (below > 0)
    return np.log(np.divide(above, below, out=np.ones_like(above), where=both))


def _parts(values: Floats) -> tuple[Floats, Floats]:
    """Part and whole of each row; a single value is a part, of at least one."""
    if values.ndim == 1 or values.shape[1] == 1:
        part = values.reshape(len(values))
        return part, np.maximum(part, 1.0)
    return values[:, 0], values[:, 1]
