"""Banks that judge how long nothing has happened: silence, and values that stand still."""

from collections.abc import Sequence

import numpy as np
import pytest

from detectors.banks.flat_line import FlatLineBank
from detectors.banks.silence import SilenceBank


class TestFlatLine:
    """Two replicas of one pool; values are requests running and tokens a second."""

    ROWS = np.arange(2)

    def taught(self) -> FlatLineBank:
        bank = FlatLineBank(least_s=5, enough=10)
        for values in np.random.default_rng(3).uniform(1, 9, (30, 2, 2)):
            bank.learn(self.ROWS, values)
        return bank

    def stands(self, bank: FlatLineBank, *readings: Sequence[Sequence[float]]) -> list[float]:
        """Scores of the first replica, reading by reading."""
        scores = []
        for values in readings:
            scores.append(float(bank.score(self.ROWS, np.array(values))[0]))
            bank.learn(self.ROWS, np.array(values), float(scores[-1] < 1))
        return scores

    def test_it_counts_how_long_all_values_are_the_same(self) -> None:
        scores = self.stands(self.taught(), *([[3, 40], [2, n]] for n in range(7)))
        assert scores == [0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2]

    def test_what_lasts_is_the_new_normal(self) -> None:
        bank = self.taught()
        self.stands(bank, *([[3, 40], [2, n]] for n in range(20)))
        bank.learn(self.ROWS, np.array([[3, 40], [2, 21]]))
        assert bank.score(self.ROWS, np.array([[3, 40], [2, 22]]))[0] < 0.5

    def test_one_value_that_moves_is_enough(self) -> None:
        assert not any(self.stands(self.taught(), *([[3, n], [2, n]] for n in range(9))))

    def test_without_work_standing_still_is_rest(self) -> None:
        assert not any(self.stands(self.taught(), *([[0, 40], [2, n]] for n in range(9))))

    def test_where_fellows_stand_as_well_nothing_is_odd(self) -> None:
        assert max(self.stands(self.taught(), *([[3, 40], [2, 50]] for _ in range(40)))) < 1

    def test_who_often_stands_that_long_may(self) -> None:
        bank = self.taught()
        for turn in range(3):
            self.stands(bank, *([[3, turn], [2, n]] for n in range(4)))
        assert max(self.stands(bank, *([[3, 40], [2, n]] for n in range(9)))) < 1


class TestSilence:
    ROWS = np.arange(3)

    def heard(self, bank: SilenceBank, *silent_s: Sequence[float]) -> list[float]:
        """Scores of the last series, window by window."""
        scores = []
        for values in silent_s:
            scores.append(float(bank.score(self.ROWS, np.array(values, float))[2]))
            bank.learn(self.ROWS, np.array(values, float))
        return scores

    def test_a_series_that_was_hardly_ever_heard_is_not_missed(self) -> None:
        bank = SilenceBank(least_s=5, enough=3)
        self.heard(bank, [0, 0, 0], [0, 0, 0])
        assert self.heard(bank, *([0, 0, n] for n in range(1, 9)))[-1] == 0

    def test_it_is_given_its_own_rhythm(self) -> None:
        bank = SilenceBank(least_s=5, enough=3)
        every_four = [[0, 0, n % 4] for n in range(40)]
        self.heard(bank, *every_four)
        assert self.heard(bank, *([0, 0, n] for n in range(1, 10)))[-1] == pytest.approx(
            1, abs=0.02
        )

    def test_the_last_one_of_a_silent_group_is_not_blamed(self) -> None:
        bank = SilenceBank(least_s=5, enough=3)
        self.heard(bank, *([0, 0, 0] for _ in range(5)))
        assert max(self.heard(bank, *([n, n, n] for n in range(1, 30)))) < 1
