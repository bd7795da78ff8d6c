"""What alike series show at the same load."""

import numpy as np
import pytest

from detectors.load import MAX_GROUPS, LoadCurves

ONES = np.ones(1)


def curves(levels: dict[int, float], times: int = 20) -> LoadCurves:
    """Pool `a`, rows 0 and 1: what was shown at each load, often enough."""
    made = LoadCurves(step_s=1, enough=10)
    for row in (0, 1):
        made.admit(row, {"cluster": "local", "pool": "a"})
    for load, value in levels.items():
        for _ in range(times):
            made.learn(np.array([0]), np.array([value]), np.array([float(load)]), ONES)
    return made


def expected(made: LoadCurves, load: float, value: float = 7.0) -> float:
    rows = np.array([1])
    return float(made.expected(rows, np.array([value]), np.array([load]))[0])


def test_a_known_load_gives_what_its_fellows_showed() -> None:
    assert expected(curves({1: 0.1, 2: 0.2}), 2.2) == pytest.approx(0.2)


def test_a_higher_load_than_ever_seen_is_expected_in_proportion() -> None:
    assert expected(curves({2: 0.2}), 6) == pytest.approx(0.6)


def test_a_lower_load_than_ever_seen_is_expected_like_the_lowest() -> None:
    assert expected(curves({4: 0.4}), 1) == pytest.approx(0.4)


def test_between_two_loads_the_greater_guess_counts() -> None:
    assert expected(curves({1: 0.1, 4: 0.3}), 2) == pytest.approx(0.3)


def test_nothing_known_expects_the_value_itself() -> None:
    assert expected(LoadCurves(step_s=1), 3, value=7.0) == 7


def test_a_load_seen_a_few_times_is_not_believed() -> None:
    assert expected(curves({1: 0.1}, times=3), 1, value=7.0) == 7


def test_values_without_a_logarithm_are_passed_over() -> None:
    assert expected(curves({1: 0.0}), 1, value=7.0) == 7


def test_groups_are_bounded() -> None:
    made = LoadCurves(step_s=1)
    for row in range(MAX_GROUPS + 3):
        made.admit(row, {"pool": f"pool-{row}"})
        made.learn(np.array([row]), ONES, ONES, ONES)
    assert len(made.state.curves) == MAX_GROUPS


def test_two_known_loads_show_how_the_value_goes_with_the_load() -> None:
    assert expected(curves({1: 0.2, 2: 0.2}), 8) == pytest.approx(0.2)
    assert expected(curves({1: 0.1, 4: 0.2}), 16) == pytest.approx(0.4)
