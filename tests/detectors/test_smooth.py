"""What smoothing keeps of a burst."""

from collections.abc import Sequence

import numpy as np
import pytest

from detectors.smooth import Smooth

ROW = np.array([0])


def one(half_life_s: float, zeros: float = 0.0) -> Smooth:
    return Smooth(half_life_s=[half_life_s], step_s=1, zeros=np.array([zeros]))


def after(smooth: Smooth, values: Sequence[float]) -> float:
    result = 0.0
    for value in values:
        means = smooth.apply(ROW, np.array([[value]]))
        smooth.learn(ROW, means, np.array([[True]]))
        result = float(means[0, 0])
    return result


def test_without_a_half_life_values_stay_as_they_are() -> None:
    assert after(one(0), [3, 9, 4]) == 4


def test_the_first_value_is_the_mean_of_itself() -> None:
    assert after(one(5), [3]) == 3


def test_a_step_is_half_followed_after_the_half_life() -> None:
    assert after(one(5), [0] * 100 + [8] * 5) == pytest.approx(4)


def test_with_zeros_before_one_bad_first_window_is_hardly_seen() -> None:
    assert after(one(5, zeros=1e9), [1]) == pytest.approx(0.13, abs=0.01)


def test_applying_changes_nothing() -> None:
    smooth = one(5)
    after(smooth, [1, 2, 3])
    first = smooth.apply(ROW, np.array([[9.0]]))
    assert smooth.apply(ROW, np.array([[9.0]])) == first


def test_what_is_not_taken_in_leaves_a_column_as_it_was() -> None:
    smooth = Smooth(half_life_s=[5, 5], step_s=1, zeros=np.zeros(2))
    smooth.learn(ROW, smooth.apply(ROW, np.array([[1.0, np.nan]])), np.array([[True, False]]))
    assert smooth.apply(ROW, np.array([[1.0, 7.0]])).tolist() == [[1.0, 7.0]]


def test_a_row_that_is_given_away_forgets() -> None:
    smooth = one(5)
    after(smooth, [100, 100])
    smooth.admit(0)
    assert after(smooth, [1]) == 1
