"""How fast an error budget is spent: requests that failed, over several pairs of windows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from detectors.banks.base import Floats, Reading, Rows, bounded, cleared, first_column, grown
from streams.errors import InvalidParameterError

BUCKETS: Final = 12
"""A window is remembered as this many sums; it moves on by one of them at a time."""
PAIRS: Final = ((3_600.0, 300.0, 14.4), (21_600.0, 1_800.0, 6.0), (259_200.0, 21_600.0, 1.0))
"""(long, short, factor): 2 % of a month's budget in an hour, 5 % in six hours, 10 % in three days,
and still going on in the short window (Google, The Site Reliability Workbook, chapter 5)."""


@dataclass(slots=True)
class BurnRateState:
    """One row per series; everything a checkpoint has to keep."""

    seen: Floats
    bad: Floats
    """[row, window, bucket]: a ring of sums for each window, the long ones and the short ones."""
    total: Floats
    schema: Literal[1] = field(default=1, kw_only=True)


class BurnRateBank:
    """Share of bad requests over a window in units of what the objective allows.

    ``burn = bad / ((1 - objective) * total)``, ``score = max over pairs of min(long, short) /
    factor``. Of a young series the total is what a whole window would have at its rate: a minute
    of errors is no hour of them.

    One value is the share of bad ones; two are how many were bad and how many were good.

    objective: share of requests that are to be good.
    pairs: (long window in seconds, short window in seconds, burn rate at which the score is 1.0).

    >>> bank, row = BurnRateBank(objective=0.99, pairs=[(60, 5, 10)]), np.array([0])
    >>> for bad in [0.0] * 60 + [1.0] * 5:
    ...     bank.learn(row, np.array([[bad, 1 - bad]]))
    >>> bank.score(row, np.array([[1.0, 0.0]]))
    array([1.])
    """

    def __init__(
        self,
        *,
        objective: float = 0.99,
        pairs: Sequence[Sequence[float]] = PAIRS,
        step_s: float = 1.0,
    ) -> None:
        if not 0 < objective < 1:
            raise InvalidParameterError("objective", objective, "between 0 and 1")
        if not pairs or any(len(p) != 3 or not 0 < p[1] <= p[0] or p[2] <= 0 for p in pairs):
            raise InvalidParameterError("pairs", pairs, "(long_s, short_s, factor) each")
        windows = np.array([seconds for pair in pairs for seconds in pair[:2]], np.float64)
        self._stretch = np.maximum(1, np.round(windows / step_s / BUCKETS)).astype(np.int64)
        self._length = self._stretch * BUCKETS
        self._factor = np.array([pair[2] for pair in pairs], np.float64)
        self._budget = 1 - objective
        none = np.zeros((0, windows.size, BUCKETS))
        self.state = BurnRateState(np.zeros(0), none, none.copy())

    def admit(self, row: int, labels: Mapping[str, str]) -> None:  # noqa: ARG002
        self.state = cleared(self.state, row)

    def score(self, rows: Rows, values: Floats) -> Floats:
        bad, total = _parts(values)
        before, allowed = self._windows(rows, total)
        burns = (before + bad[:, None]) / allowed
        return bounded((self._paired(burns).min(axis=2) / self._factor).max(axis=1))

    def explain(self, rows: Rows, values: Floats) -> Reading:
        _, total = _parts(values)
        before, allowed = self._windows(rows, total)
        # So many bad ones more would bring a window to its factor; both of a pair must be there.
        room = allowed * np.repeat(self._factor, 2) - before
        reach = self._paired(room).max(axis=2).min(axis=1)
        return Reading(
            score=self.score(rows, values),
            expected=self._budget * total,
            lower=np.full(rows.size, -np.inf),
            upper=np.maximum(reach, 0.0),
            above=np.full(rows.size, fill_value=True),
            column=first_column(rows),
        )

    def learn(self, rows: Rows, values: Floats, weights: Floats | float = 1.0) -> None:
        state = self.state = grown(self.state, rows)
        bad, total = _parts(values)
        kept = np.broadcast_to(np.asarray(weights) > 0, rows.shape)
        seen = state.seen[rows].astype(np.int64)
        for window, stretch in enumerate(self._stretch.tolist()):
            bucket = seen // stretch % BUCKETS
            for sums, values_now in ((state.bad, bad), (state.total, total)):
                sums[rows, window, bucket] *= seen % stretch != 0
                sums[rows, window, bucket] += values_now * kept
        state.seen[rows] += kept

    def _windows(self, rows: Rows, total: Floats) -> tuple[Floats, Floats]:
        """[row, window]: bad ones so far, and how many the objective allows with those of now."""
        state = grown(self.state, rows)
        seen = state.seen[rows, None]
        # The newest bucket is still filling.
        held = self._length - self._stretch + (seen - 1) % self._stretch + 1
        known = np.minimum(seen, held) + 1
        totals = (state.total[rows].sum(axis=2) + total[:, None]) * self._length / known
        return state.bad[rows].sum(axis=2), self._budget * np.maximum(totals, 1e-9)

    def _paired(self, of_windows: Floats) -> Floats:
        """From [row, window] to [row, pair, long or short]."""
        return of_windows.reshape(len(of_windows), self._factor.size, 2)


def _parts(values: Floats) -> tuple[Floats, Floats]:
    """Bad ones and all of them, of each row."""
    bad = np.maximum(values[:, 0] if values.ndim > 1 else values, 0.0)
    if values.ndim == 1 or values.shape[1] == 1:
        return bad, np.maximum(bad, 1.0)
    return bad, bad + np.maximum(values[:, 1], 0.0)
