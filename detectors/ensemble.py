"""Values of many series in, how unusual each series is out: members judged against each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from detectors.banks.base import Bools, Floats, Rows, bounded, grown
from detectors.banks.mahalanobis import MahalanobisBank, MahalanobisState
from detectors.banks.neighbours import NeighboursBank, NeighboursState
from detectors.banks.unrest import UnrestBank, UnrestState
from detectors.standing import Standing, StandingState
from streams.errors import InvalidParameterError

DAY_S: Final = 86_400.0
MOST_ALPHA: Final = 0.01
"""However many alerts may be false: what happens once in a hundred windows is not unusual."""
HUGE: Final = 1e100
"""Values are taken to be no larger, so that their squares are finite."""
HALF: Final = 3.0
"""Strangeness at which the score is half way to the boundary; 1 is usual."""
RARE: Final = 5.0
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
class EnsembleSettings:
    """What may be chosen; the same for all series.

    false_alerts_per_day: of one series: the score is 1.0 where so many are expected.
    memory: windows after which what was learned counts half.
    fast_memory: the same for the member that looks for news.
    lasts: windows after which half of a strangeness is forgotten.
    size: points that each series remembers.
    """

    false_alerts_per_day: float = 0.1
    memory: float = 50_000.0
    fast_memory: float = 50.0
    lasts: float = 3.0
    size: int = 256

    def __post_init__(self) -> None:
        for name in ("false_alerts_per_day", "memory", "fast_memory", "lasts"):
            if not getattr(self, name) > 0:
                raise InvalidParameterError(name, getattr(self, name), "more than 0")


DEFAULT: Final = EnsembleSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One entry per row, in the unit of the values.

    score: 1.0 is the boundary; 0 for a row without any value.
    p: what the score says as a probability, ``alpha ** score``.
    column: the column to blame; expected, lower, upper and above speak of it.
    members: what each member alone would have said.
    """

    score: Floats
    p: Floats
    column: Rows
    expected: Floats
    lower: Floats
    upper: Floats
    above: Bools
    members: Mapping[str, Floats]


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


class Ensemble:
    """How strange each window is, and whether that is news.

    *Strange* is the greater of two lengths that see different things, the Mahalanobis length and
    the distance to the fifth nearest, averaged with the distance from the slow mean, which counts
    the less the more columns there are; to it half of the unrest is added. Each is about 1 or less
    for usual windows, and an average over the last few, for what is wrong lasts. It makes the part
    of the score below the boundary, ``strange / (strange + 3)``.

    *News* is the geometric mean of three witnesses that err in different places: the distance from
    a fast mean in units of the way to the boundary, strangeness but for unrest (5 is news), and the
    same in units of what this series exceeds in 3 % of its windows; both of this window
    alone. Where it reaches 1 the score is 1 higher.
    The way to the boundary is that of a Laplace distribution, ``-log(alpha) / sqrt(2)`` spreads,
    with alpha from the false alerts per day.

    columns: values of each row, judged together.
    step_s: seconds a window lasts.
    seed: what is remembered of the past is drawn from it.
    """

    def __init__(
        self, *, columns: int, step_s: float, seed: int = 0, settings: EnsembleSettings = DEFAULT
    ) -> None:
        if columns < 1:
            raise InvalidParameterError("columns", columns, "1 or more")
        if step_s <= 0:
            raise InvalidParameterError("step_s", step_s, "more than 0 s")
        alpha = settings.false_alerts_per_day * step_s / DAY_S
        self._log_alpha = float(np.log(min(MOST_ALPHA, alpha)))
        self._fast = Standing(memory=settings.fast_memory, cut=np.inf)
        self._slow = Standing(memory=settings.memory)
        self._mahalanobis = MahalanobisBank(boundary=1.0, memory=settings.memory)
        self._neighbours = NeighboursBank(
            boundary=1.0, memory=settings.memory, size=settings.size, seed=seed
        )
        self._unrest = UnrestBank(boundary=1.0, memory=settings.memory)
        self._alone = 1 / columns
        self._fades = 1 - 0.5 ** (1 / settings.lasts)
        self._standings = self._fast.empty(), self._slow.empty()
        self._mood = MoodState(np.zeros((0, len(LASTING))), np.zeros(0))

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

    def step(self, rows: Rows, values: Floats) -> Judgement:
        """Judge ``values`` (float64[n, columns], NaN where missing), then learn from them."""
        known = np.isfinite(values)
        usual, spread = self._fast.usual(self._standings[0], rows, values)
        filled = np.where(known, np.clip(values, -HUGE, HUGE), usual)
        here = known.any(axis=1)
        distance = self._slow.distance(self._standings[1], rows, filled)
        members = {}
        for name, scores in self._judge(rows[here], filled[here]).items():
            members[name] = np.zeros(rows.size)
            members[name][here] = scores
        score = members.pop("all")
        at = np.arange(rows.size), np.abs(distance).argmax(axis=1)
        reach = spread[at] * -self._log_alpha / np.sqrt(2)
        return Judgement(
            score=score,
            p=np.exp(self._log_alpha * score),
            column=at[1],
            expected=usual[at],
            lower=usual[at] - reach,
            upper=usual[at] + reach,
            above=filled[at] > usual[at],
            members=members,
        )

    def _judge(self, rows: Rows, values: Floats) -> dict[str, Floats]:
        """Scores of each member and of all, after which the values are learned."""
        fast, slow = self._standings
        reach = _length(self._fast.distance(fast, rows, values)) * np.sqrt(2) / -self._log_alpha
        lengths = np.column_stack(
            [
                _length(self._slow.distance(slow, rows, values)),
                self._mahalanobis.score(rows, values),
                self._neighbours.score(rows, values),
                self._unrest.score(rows, values),
            ]
        )
        lasting, own = self._remember(rows, lengths)
        now = self._strange(lengths)
        news = np.cbrt(reach * (now / RARE) * (now / own))
        strange = self._strange(lasting) + UNREST * lasting[:, -1]
        scores = dict(zip(LASTING, _half(lasting).T, strict=True))
        self._learn(rows, values)
        return {"fast": reach, **scores, "all": _half(strange) + (news >= 1)}

    def _remember(self, rows: Rows, lengths: Floats) -> tuple[Floats, Floats]:
        """What lasts with this window in it, and the series' own level without it."""
        mood = self._mood = grown(self._mood, rows)
        mood.lasting[rows] += self._fades * (lengths - mood.lasting[rows])
        own = HALF * np.exp(mood.own[rows])
        over = self._strange(lengths) > own
        moved = mood.own[rows] + OWN_STEP * (over - OWN_SHARE)
        mood.own[rows] = np.clip(moved, -OWN_MOST, OWN_MOST)
        return mood.lasting[rows], own

    def _strange(self, lengths: Floats) -> Floats:
        slow, mahalanobis, neighbours, _ = lengths.T
        strange = np.maximum(mahalanobis, neighbours) + self._alone * slow
        return np.asarray(strange / (1 + self._alone))

    def _learn(self, rows: Rows, values: Floats) -> None:
        fast, slow = self._standings
        self._standings = (
            self._fast.learn(fast, rows, values)[0],
            self._slow.learn(slow, rows, values)[0],
        )
        self._mahalanobis.learn(rows, values)
        self._neighbours.learn(rows, values)
        self._unrest.learn(rows, values)


def _length(distance: Floats) -> Floats:
    return np.asarray(np.sqrt((distance**2).mean(axis=1)))


def _half(strange: Floats) -> Floats:
    """From 0 to the boundary, which it never reaches."""
    return bounded(strange / (strange + HALF))
