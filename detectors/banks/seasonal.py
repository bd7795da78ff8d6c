"""Distance of each series from what it shows at that hour of the day or the week."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from detectors.banks.base import Bools, Floats, Reading, Rows, bounded, cleared, grown
from detectors.moments import moments
from detectors.standing import matrix
from streams.errors import InvalidParameterError

HOUR_S: Final = 3_600.0
DAY: Final = 24
WEEK: Final = 168
"""Hours, each with a mean of its own; those of a week follow those of a day."""


@dataclass(slots=True)
class SeasonalState:
    """One row per series, [row, hour]: 24 of a day, then 168 of a week (UTC, from Monday on)."""

    mean: Floats
    square: Floats
    """Mean square of the deviations from what was expected."""
    weight: Floats
    """What the hour was seen with, in windows of full weight."""
    visits: Floats
    """On how many days, or weeks, the hour was seen."""
    hour: Floats
    """[row]: hour of the week in which it was last seen, counted from 1; 0 for none."""
    schema: Literal[1] = field(default=1, kw_only=True)


class SeasonalBank:
    """Deviation from the mean of this hour in the days or weeks before, in its own spread.

    On a value and ``week_s``. ``score = |x - mean| / (sigmas * spread)``, mean and spread of the
    hour of the week once it was seen in ``visits`` weeks, before that of the hour of the day once
    it was seen on ``visits`` days, and before that 0. Between the middles of two hours the mean
    goes in a straight line. Seasonal means with exponential forgetting, as in Winters, "Forecasting
    Sales by Exponentially Weighted Moving Averages" (1960), without level and trend: what is asked
    is whether it is usual for the hour. 768 numbers a series.

    sigmas: how far the boundary lies from the mean, in standard deviations.
    visits: days, or weeks, after which an hour is known.
    half_life: days, or weeks, after which an hour's past counts half.
    floor: least standard deviation believed, in the unit of the value.

    >>> bank, row = SeasonalBank(visits=2, step_s=600), np.array([0])
    >>> for window in range(3 * 144):
    ...     busy = 8 <= window % 144 / 6 < 20
    ...     value = 50.0 * busy + 2.0 + window % 2
    ...     bank.learn(row, np.array([[value, 600.0 * window]]))
    >>> [bool(bank.score(row, np.array([[52.0, 3_600.0 * hour]]))[0] > 1) for hour in (12.5, 3.5)]
    [False, True]
    """

    def __init__(
        self,
        *,
        sigmas: float = 5.0,
        visits: float = 3.0,
        half_life: float = 4.0,
        floor: float = 0.0,
        step_s: float = 1.0,
    ) -> None:
        for name, value in (("sigmas", sigmas), ("visits", visits), ("half_life", half_life)):
            if value <= 0:
                raise InvalidParameterError(name, value, "more than 0")
        if floor < 0:
            raise InvalidParameterError("floor", floor, "0 or more")
        none = np.zeros((0, DAY + WEEK))
        self.state = SeasonalState(none, none, none, none, np.zeros(0))
        self._sigmas, self._visits, self._floor = sigmas, visits, floor
        self._hour = HOUR_S / step_s
        self._gain = 1 - 0.5 ** (step_s / HOUR_S / half_life)

    def admit(self, row: int, labels: Mapping[str, str]) -> None:  # noqa: ARG002
        self.state = cleared(self.state, row)

    def score(self, rows: Rows, values: Floats) -> Floats:
        columns = matrix(values)
        mean, reach = self._expected(rows, _hours(columns))
        distance = np.abs(columns[:, 0] - mean)
        return bounded(np.divide(distance, reach, out=np.zeros(rows.size), where=reach > 0))

    def explain(self, rows: Rows, values: Floats) -> Reading:
        columns = matrix(values)
        mean, reach = self._expected(rows, _hours(columns))
        return Reading(
            score=self.score(rows, values),
            expected=mean,
            lower=np.where(reach > 0, mean - reach, -np.inf),
            upper=np.where(reach > 0, mean + reach, np.inf),
            above=columns[:, 0] > mean,
            column=np.zeros(rows.size, np.int64),
        )

    def learn(self, rows: Rows, values: Floats, weights: Floats | float = 1.0) -> None:
        state = self.state = grown(self.state, rows)
        columns = matrix(values)
        hours = _hours(columns)
        of_week = np.floor(hours)
        comes = state.hour[rows] != of_week + 1
        state.hour[rows] = of_week + 1
        taken = np.broadcast_to(np.asarray(weights, np.float64), rows.shape)
        for cell in ((of_week % DAY).astype(np.int64), (DAY + of_week).astype(np.int64)):
            at = rows, cell
            state.visits[at] += comes
            gain = taken * np.maximum(self._gain, 1 / (state.weight[at] + 1))
            state.mean[at] += gain * (columns[:, 0] - state.mean[at])
            error = columns[:, 0] - self._between(rows, hours, of_week=cell >= DAY)
            state.square[at] += gain * (error**2 - state.square[at])
            state.weight[at] += taken

    def merged(self, state: SeasonalState) -> SeasonalState:
        mean, square = moments(state.weight, state.mean, state.square)
        total = state.weight.sum(axis=0, keepdims=True)
        # A day that two of them saw is one day.
        visits = state.visits.max(axis=0, keepdims=True)
        return SeasonalState(mean, square, total, visits, np.zeros(1))

    def inherit(self, row: int, kin: SeasonalState) -> None:
        """What they know of an hour weighs as much as an hour of its own."""
        state = self.state
        state.mean[row], state.square[row] = kin.mean[0], kin.square[0]
        state.weight[row] = np.minimum(kin.weight[0], self._hour)
        state.visits[row] = kin.visits[0]

    def _expected(self, rows: Rows, hours: Floats) -> tuple[Floats, Floats]:
        """Mean, and way from it to the boundary; 0 where nothing is known."""
        state = grown(self.state, rows)
        hour = np.floor(hours)
        weekly = np.asarray(state.visits[rows, (DAY + hour).astype(np.int64)] >= self._visits)
        cell = np.where(weekly, DAY + hour, hour % DAY).astype(np.int64)
        known = state.visits[rows, cell] >= self._visits
        spread = np.maximum(np.sqrt(state.square[rows, cell]), self._floor)
        mean = self._between(rows, hours, of_week=weekly)
        return mean, np.where(known, self._sigmas * spread, 0.0)

    def _between(self, rows: Rows, hours: Floats, *, of_week: Bools) -> Floats:
        """The mean between the middles of two hours; of one alone where the other is unknown."""
        state = grown(self.state, rows)
        size, first = np.where(of_week, WEEK, DAY), np.where(of_week, DAY, 0)
        before = np.floor(hours - 0.5)
        left, right = ((first + np.mod(one, size)).astype(np.int64) for one in (before, before + 1))
        share = hours - 0.5 - before
        share = np.where(state.weight[rows, left] > 0, share, 1.0)
        share = np.where(state.weight[rows, right] > 0, share, 0.0)
        return np.asarray((1 - share) * state.mean[rows, left] + share * state.mean[rows, right])


def _hours(columns: Floats) -> Floats:
    """Of the week, from 0 to 168; of values that come without their instant the first one."""
    week_s = columns[:, 1] if columns.shape[1] > 1 else np.zeros(len(columns))
    return np.mod(week_s / HOUR_S, WEEK)
