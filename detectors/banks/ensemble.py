"""How unusual all values of a series are together: several banks judged against each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from detectors.banks.base import Floats, Reading, Rows, bounded, cleared, grown
from detectors.banks.mahalanobis import MahalanobisBank, MahalanobisState
from detectors.banks.neighbours import NeighboursBank, NeighboursState
from detectors.banks.unrest import UnrestBank, UnrestState
from detectors.standing import Standing, StandingState, matrix
from streams.errors import InvalidParameterError

DAY_S: Final = 86_400.0
MOST_ALPHA: Final = 0.01
"""However many alerts may be false: what happens once in a hundred windows is not unusual."""
HUGE: Final = 1e100
"""Values are taken to be no larger, so that their squares are finite."""
HALF: Final = 3.0
"""Strangeness at which the score is half way to the boundary; 1 is usual."""
RARE: Final = 6.0
"""Strangeness that is news by itself."""
UNREST: Final = 0.5
"""What unrest counts against the lengths: it is of the windows before as well."""
OWN_SHARE: Final = 0.03
"""Share of windows that a series' own level of strangeness leaves above it,"""
OWN_STEP: Final = 0.05
"""how fast it gets there, as a logarithm a window,"""
OWN_MOST: Final = 3.0
"""and how far at most: a series that never moved must still be able to be usual."""
LASTING: Final = ("slow", "mahalanobis", "neighbours", "unrest")
"""Members that say how strange a state is, however long it lasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One entry per row, in the unit of the values.

    rank: how strange the last windows were, below 1; where this one is news, beyond 1, how strange
        it is by itself and how much news. For comparing windows of all series with each other.
    news: 1.0 is the boundary.
    distance: [row, value], from what the value was long before, in its usual spreads.
    usual, spread: [row, value], of the last windows.
    members: what each member alone would have said.
    """

    rank: Floats
    news: Floats
    distance: Floats
    usual: Floats
    spread: Floats
    members: Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a window looks like before it is learned; one entry per row with any value."""

    values: Floats
    lengths: Floats
    """[row, member of ``LASTING``]"""
    reach: Floats
    """Distance from the fast mean, over the way to the boundary."""


@dataclass(slots=True)
class MoodState:
    """One row per series."""

    lasting: Floats
    """[row, member of ``LASTING``]: what it said, averaged over the last windows."""
    own: Floats
    """Logarithm of the strangeness that the series exceeds in ``OWN_SHARE`` of its windows, over
    ``HALF``, which a new one is taken to have."""


@dataclass(slots=True, kw_only=True)
class EnsembleState:
    """Everything a snapshot has to keep."""

    fast: StandingState
    slow: StandingState
    mahalanobis: MahalanobisState
    neighbours: NeighboursState
    unrest: UnrestState
    mood: MoodState
    schema: Literal[1] = 1


class EnsembleBank:
    """How strange each window is, and whether that is news; values may be missing (NaN).

    *Strange* is the greater of two lengths that see different things, the Mahalanobis length and
    the distance to the fifth nearest, averaged with the distance from the slow mean, which counts
    the less the more values there are. Each is about 1 or less for usual windows. The rank takes
    their average over the last few, for what is wrong lasts, and adds half of the unrest:
    ``strange / (strange + 3)``. News goes before all of that, in the order of the strangeness of
    its one window, times the news: an average still climbs when the moment to tell has passed.

    *News*, the score, is the geometric mean of three witnesses that err in different places: the
    distance from a fast mean in units of the way to the boundary, strangeness but for unrest (6 is
    news), and the same in units of what this series exceeds in 3 % of its windows; all of this
    window alone. The way to the boundary is that of a Laplace distribution, ``-log(alpha) /
    sqrt(2)`` spreads, with alpha from the false alerts per day.

    memory_s: seconds after which what was learned counts half.
    fast_memory_s: the same for the member that looks for news.
    lasts_s: seconds after which half of a strangeness is forgotten.
    false_alerts_per_day: of one series: the score is 1.0 where so many are expected.
    size: points that each series remembers.
    least: distance from the usual of each value, in its unit, below which it is to blame for
        nothing; cycled when too short. Where no value is to blame nothing is news.
    seed: what is remembered of the past is drawn from it.
    """

    def __init__(  # noqa: PLR0913 (a bank's options, always by keyword)
        self,
        *,
        memory_s: float = 50_000.0,
        fast_memory_s: float = 50.0,
        lasts_s: float = 3.0,
        false_alerts_per_day: float = 0.1,
        size: int = 256,
        least: tuple[float, ...] | list[float] = (0.0,),
        seed: int = 0,
        step_s: float = 1.0,
    ) -> None:
        for name, value in (
            ("memory_s", memory_s),
            ("fast_memory_s", fast_memory_s),
            ("lasts_s", lasts_s),
            ("false_alerts_per_day", false_alerts_per_day),
            ("step_s", step_s),
        ):
            if not value > 0:
                raise InvalidParameterError(name, value, "more than 0")
        if not least or min(least) < 0:
            raise InvalidParameterError("least", least, "numbers of 0 or more")
        self._log_alpha = float(np.log(min(MOST_ALPHA, false_alerts_per_day * step_s / DAY_S)))
        self._least = np.asarray(least, np.float64)
        memory = max(memory_s / step_s, 1.0)
        self._fast = Standing(memory=max(fast_memory_s / step_s, 1.0), cut=np.inf)
        self._slow = Standing(memory=memory)
        self._mahalanobis = MahalanobisBank(boundary=1.0, memory=memory)
        self._neighbours = NeighboursBank(boundary=1.0, memory=memory, size=size, seed=seed)
        self._unrest = UnrestBank(boundary=1.0, memory=memory)
        self._fades = 1 - 0.5 ** (step_s / lasts_s)
        self._standings = self._fast.empty(), self._slow.empty()
        self._mood = MoodState(np.zeros((0, len(LASTING))), np.zeros(0))
        self._read: tuple[Rows, Floats, _Seen] | None = None
        """The values that were looked at last: to look again costs as much as to judge them."""

    @property
    def state(self) -> EnsembleState:
        fast, slow = self._standings
        return EnsembleState(
            fast=fast,
            slow=slow,
            mahalanobis=self._mahalanobis.state,
            neighbours=self._neighbours.state,
            unrest=self._unrest.state,
            mood=self._mood,
        )

    @state.setter
    def state(self, state: EnsembleState) -> None:
        self._standings, self._mood = (state.fast, state.slow), state.mood
        self._mahalanobis.state, self._neighbours.state = state.mahalanobis, state.neighbours
        self._unrest.state = state.unrest
        self._read = None

    def admit(self, row: int, labels: Mapping[str, str]) -> None:
        fast, slow = self._standings
        self._standings = cleared(fast, row), cleared(slow, row)
        self._mood = cleared(self._mood, row)
        for bank in (self._mahalanobis, self._neighbours, self._unrest):
            bank.admit(row, labels)
        self._read = None

    def judge(self, rows: Rows, values: Floats) -> Judgement:
        """Of ``values`` (float64[n, value], NaN where missing). Changes nothing."""
        columns = matrix(values)
        usual, spread = self._fast.usual(self._standings[0], rows, columns)
        seen = self._look(rows, columns)
        mood = grown(self._mood, rows)
        lasting = mood.lasting[rows] + self._fades * (seen.lengths - mood.lasting[rows])
        alone = 1 / columns.shape[1]
        now = _strange(seen.lengths, alone)
        news = np.cbrt(seen.reach * (now / RARE) * (now / (HALF * np.exp(mood.own[rows]))))
        strange = _strange(lasting, alone) + UNREST * lasting[:, -1]
        return Judgement(
            rank=np.where(news >= 1, 1 + _half(now * news), _half(strange)),
            news=news,
            distance=self._slow.distance(self._standings[1], rows, seen.values),
            usual=usual,
            spread=spread,
            members={"fast": seen.reach} | dict(zip(LASTING, _half(lasting).T, strict=True)),
        )

    def score(self, rows: Rows, values: Floats) -> Floats:
        return self.explain(rows, values).score

    def explain(self, rows: Rows, values: Floats) -> Reading:
        columns = matrix(values)
        judged = self.judge(rows, values)
        away = np.nan_to_num(columns - judged.usual)
        to_blame = np.abs(away) >= np.resize(self._least, columns.shape[1])
        squares = np.where(np.isfinite(columns), judged.distance, 0.0) ** 2
        at = np.arange(rows.size), np.where(to_blame, squares, -1.0).argmax(axis=1)
        reach = judged.spread[at] * -self._log_alpha / np.sqrt(2)
        score = np.where(to_blame[at], judged.news, np.minimum(judged.news, 0.99))
        return Reading(
            score=bounded(score),
            expected=judged.usual[at],
            lower=judged.usual[at] - reach,
            upper=judged.usual[at] + reach,
            above=away[at] > 0,
            column=at[1],
            shares=squares / np.maximum(squares.sum(axis=1, keepdims=True), 1e-12),
        )

    def learn(self, rows: Rows, values: Floats, weights: Floats | float = 1.0) -> None:
        seen = self._look(rows, matrix(values))
        self._read = None
        mood = self._mood = grown(self._mood, rows)
        # How long something lasts is no lesson: it is so whatever may be learned from it.
        mood.lasting[rows] += self._fades * (seen.lengths - mood.lasting[rows])
        over = _strange(seen.lengths, 1 / seen.values.shape[1]) > HALF * np.exp(mood.own[rows])
        moved = mood.own[rows] + weights * OWN_STEP * (over - OWN_SHARE)
        mood.own[rows] = np.clip(moved, -OWN_MOST, OWN_MOST)
        fast, slow = self._standings
        self._standings = (
            self._fast.learn(fast, rows, seen.values, weights)[0],
            self._slow.learn(slow, rows, seen.values, weights)[0],
        )
        for bank in (self._mahalanobis, self._neighbours, self._unrest):
            bank.learn(rows, seen.values, weights)

    def _look(self, rows: Rows, values: Floats) -> _Seen:
        if self._read and self._read[0] is rows and self._read[1] is values:
            return self._read[2]
        fast, slow = self._standings
        known = np.where(np.isfinite(values), np.clip(values, -HUGE, HUGE), np.nan)
        lengths = [
            _length(self._slow.distance(slow, rows, known)),
            self._mahalanobis.score(rows, known),
            self._neighbours.score(rows, known),
            self._unrest.score(rows, known),
        ]
        reach = _length(self._fast.distance(fast, rows, known)) * np.sqrt(2) / -self._log_alpha
        seen = _Seen(known, np.column_stack(lengths), reach)
        self._read = rows, values, seen
        return seen


def _strange(lengths: Floats, alone: float) -> Floats:
    slow, mahalanobis, neighbours, _ = lengths.T
    return np.asarray((np.maximum(mahalanobis, neighbours) + alone * slow) / (1 + alone))


def _length(distance: Floats) -> Floats:
    return np.asarray(np.sqrt((distance**2).mean(axis=1)))


def _half(strange: Floats) -> Floats:
    """From 0 to the boundary, which it never reaches."""
    return bounded(strange / (strange + HALF))
