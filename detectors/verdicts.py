"""What people said of anomalies in, how much further out the boundary lies out."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from detectors.banks.base import Floats, Rows
from streams.schemas.telemetry import Change
from streams.series import series_of

Place = tuple[int, str]
"""(series, what was judged such as `engine.ttft_s_mean`)"""

BEYOND: Final = 1.25
"""So far beyond a finding that was wrong the boundary moves: the same would not be found again."""
MOST: Final = 5.0
"""However often people say wrong, what lies five boundaries out is found."""
MAX_PLACES: Final = 1_000
MAX_EACH: Final = 16
"""Verdicts remembered of a place; of places, as of verdicts, the oldest makes room."""


@dataclass(slots=True)
class _Verdict:
    wrong: bool
    peak: float
    """Highest score of the anomaly, with the boundary at 1."""


@dataclass(slots=True, kw_only=True)
class VerdictsState:
    """Everything a snapshot has to keep: place -> anomaly -> its newest verdict."""

    given: dict[Place, dict[str, _Verdict]] = field(default_factory=dict)
    schema: Literal[1] = 1


class Verdicts:
    """The boundary moves out to just beyond the strongest finding that was called wrong.

    It stays within the weakest one that was called right, if there is one. A verdict on the same
    anomaly replaces the one before; `withdrawn` takes it back, and the boundary is where it was.
    """

    def __init__(self) -> None:
        self.state = VerdictsState()

    def take(self, change: Change) -> None:
        """A change that does not say enough changes nothing: anybody may write to `changes`."""
        about = change.attributes
        try:
            place = (series_of(about["series_id"]), about["feature"])
            anomaly, verdict, peak = about["anomaly"], about["verdict"], float(about["peak_score"])
        except (KeyError, ValueError):
            return
        given = self.state.given
        verdicts = given.pop(place, {})
        verdicts.pop(anomaly, None)
        if verdict in {"right", "wrong"} and 0 <= peak < math.inf:
            verdicts[anomaly] = _Verdict(verdict == "wrong", peak)
        if len(verdicts) > MAX_EACH:
            del verdicts[next(iter(verdicts))]
        if verdicts:
            given[place] = verdicts
        if len(given) > MAX_PLACES:
            del given[next(iter(given))]

    def tolerances(
        self, rows: Rows, row_of: Mapping[int, int], features: Collection[str]
    ) -> Floats | float:
        """By row, how many times further out than usual the boundary lies; 1 for most."""
        moved = [
            (row_of[series], self._tolerance((series, feature)))
            for series, feature in self.state.given
            if feature in features and series in row_of
        ]
        if not moved:
            return 1.0
        tolerances = np.ones(rows.size)
        for row, tolerance in moved:
            here = rows == row
            tolerances[here] = np.maximum(tolerances[here], tolerance)
        return tolerances

    def _tolerance(self, place: Place) -> float:
        verdicts = self.state.given[place].values()
        wrong = BEYOND * max((one.peak for one in verdicts if one.wrong), default=1 / BEYOND)
        right = min((one.peak for one in verdicts if not one.wrong), default=MOST * BEYOND)
        return min(max(1.0, wrong), max(1.0, right / BEYOND), MOST)
