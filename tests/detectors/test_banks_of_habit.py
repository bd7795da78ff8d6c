"""Banks that judge by what is usual: of most values, and at that hour."""

import math
from collections.abc import Sequence

import numpy as np

from detectors.banks.robust import RobustBank
from detectors.banks.seasonal import SeasonalBank

ROW = np.array([0])


def one(value: float) -> np.ndarray:
    return np.array([value])


class TestRobust:
    def taught(self, values: Sequence[float]) -> RobustBank:
        bank = RobustBank(span_s=120, sigmas=4)
        for value in values:
            bank.learn(ROW, one(value))
        return bank

    def test_nearly_half_of_the_past_may_be_anything(self) -> None:
        rng = np.random.default_rng(5)
        usual = rng.normal(10, 1, 300)
        bursts = np.where(rng.random(300) < 0.3, 500.0, usual)
        assert self.taught(usual.tolist()).score(ROW, one(30.0)) > 2
        assert self.taught(bursts.tolist()).score(ROW, one(30.0)) > 2

    def test_the_band_is_where_the_score_is_one(self) -> None:
        bank = self.taught([1.0, 2.0, 4.0] * 40)
        band = bank.explain(ROW, one(3.0))
        assert [bank.score(ROW, band.upper)[0], bank.score(ROW, band.lower)[0]] == [1, 1]

    def test_a_shift_is_usual_after_half_of_the_span(self) -> None:
        shifted = self.taught([*[10.0, 11.0] * 100, *[50.0, 51.0] * 40])
        assert shifted.score(ROW, one(50.0)) < 1

    def test_a_young_series_scores_nothing(self) -> None:
        assert self.taught([1.0, 2.0] * 20).score(ROW, one(90.0)) == 0


class TestSeasonal:
    """Windows of ten minutes; busy from 8 to 20 h on all days but Sunday."""

    STEP_S = 600

    def taught(self, days: int) -> SeasonalBank:
        bank = SeasonalBank(visits=3, sigmas=4, step_s=self.STEP_S)
        for window in range(days * 144):
            bank.learn(ROW, np.array([[self.usual(window), self.STEP_S * window]]))
        return bank

    def usual(self, window: int) -> float:
        works = 8 <= window % 144 / 6 < 20 and window // 144 % 7 < 6
        return 60.0 * works + 10 + 3 * math.sin(window)

    def score(self, bank: SeasonalBank, value: float, day: int, hour: float) -> float:
        at = np.array([[value, 86_400 * day + 3_600 * hour]])
        return float(bank.score(ROW, at)[0])

    def test_it_is_silent_before_it_has_seen_days(self) -> None:
        assert self.score(self.taught(2), 900.0, 2, 12) == 0

    def test_what_is_usual_at_noon_is_not_at_night(self) -> None:
        bank = self.taught(4)
        assert self.score(bank, 70.0, 4, 12.5) < 1 < self.score(bank, 70.0, 4, 2.5)

    def test_after_weeks_a_day_of_the_week_has_hours_of_its_own(self) -> None:
        bank = self.taught(28)
        assert self.score(bank, 70.0, 27, 12.5) > 1 > self.score(bank, 70.0, 26, 12.5)

    def test_its_memory_does_not_grow(self) -> None:
        assert self.taught(10).state.mean.nbytes == self.taught(1).state.mean.nbytes
