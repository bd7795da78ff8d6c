"""What smoothing keeps of a burst."""

from collections.abc import Sequence

import numpy as np
import pytest

from detectors.smooth import Smooth

ROW = np.array([0])


def after(smooth: Smooth, values: Sequence[float]) -> float:
    result = 0.0
    for value in values:
        result = float(smooth.apply(ROW, np.array([value]))[0])
        smooth.learn(ROW, np.array([value]))
    return result


def test_without_a_half_life_values_stay_as_they_are() -> None:
    assert after(Smooth(half_life_s=0, step_s=1), [3, 9, 4]) == 4


def test_the_first_value_is_the_mean_of_itself() -> None:
    assert after(Smooth(half_life_s=5, step_s=1), [3]) == 3


def test_a_step_is_half_followed_after_the_half_life() -> None:
    assert after(Smooth(half_life_s=5, step_s=1), [0] * 100 + [8] * 5) == pytest.approx(4)


def test_with_zeros_before_one_bad_first_window_is_hardly_seen() -> None:
    assert after(Smooth(half_life_s=5, step_s=1, zeros=1e9), [1]) == pytest.approx(0.13, abs=0.01)


def test_applying_changes_nothing() -> None:
    smooth = Smooth(half_life_s=5, step_s=1)
    after(smooth, [1, 2, 3])
    first = smooth.apply(ROW, np.array([9.0]))
    assert smooth.apply(ROW, np.array([9.0])) == first


def test_a_row_that_is_given_away_forgets() -> None:
    smooth = Smooth(half_life_s=5, step_s=1)
    after(smooth, [100, 100])
    smooth.admit(0)
    assert after(smooth, [1]) == 1
