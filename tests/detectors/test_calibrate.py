"""Raw scores become comparable: 1.0 is as rare for a restless series as for a quiet one."""

import numpy as np
import pytest

from detectors.calibrate import BELIEF, Calibration, alpha_for

ALPHA = 1e-6
CELL = np.array([0]), np.array([0])
PROBES = np.array([0.0, 0.3, 0.5, 0.8, 1.0, 2.0, 9.0])


def taught(raw: np.ndarray) -> Calibration:
    calibration = Calibration(members=1)
    for value in raw:
        calibration.learn(CELL, np.array([value]), np.ones(1))
    return calibration


def scores(calibration: Calibration) -> list[float]:
    return [float(calibration.score(CELL, np.array([raw]), ALPHA)[0]) for raw in PROBES]


def restless(scale: float, size: int = 2_000) -> np.ndarray:
    return np.random.default_rng(1).exponential(scale, size)


def test_a_young_series_keeps_the_banks_own_boundary() -> None:
    calibration = Calibration(members=1)
    assert calibration.boundary(CELL, ALPHA) == pytest.approx(1)
    assert calibration.score(CELL, np.ones(1), ALPHA) == pytest.approx(1)


def test_a_quiet_series_is_never_more_sensitive_than_the_bank() -> None:
    assert all(s <= raw for s, raw in zip(scores(taught(np.zeros(5_000))), PROBES, strict=True))


def test_a_restless_series_gets_a_wider_boundary() -> None:
    boundary = float(taught(restless(0.3)).boundary(CELL, ALPHA)[0])
    # P(raw > s) of an exponential with mean 0.3 is alpha at 0.3 * ln(1e6).
    assert boundary == pytest.approx(0.3 * np.log(1e6), rel=0.2)


def test_the_score_is_one_at_the_boundary_and_rises_with_the_raw_score() -> None:
    calibration = taught(restless(0.3))
    assert calibration.score(CELL, calibration.boundary(CELL, ALPHA), ALPHA) == pytest.approx(1)
    assert scores(calibration) == sorted(scores(calibration))


def test_the_probability_at_the_boundary_is_alpha() -> None:
    calibration = taught(restless(0.3))
    boundary = calibration.boundary(CELL, ALPHA)
    assert calibration.tail_probability(CELL, boundary, ALPHA) == pytest.approx(ALPHA)


def test_one_outage_hardly_moves_the_boundary() -> None:
    calibration = taught(np.zeros(600))
    for _ in range(30):
        calibration.learn(CELL, np.array([1e6]), np.array([0.05]))
    assert calibration.boundary(CELL, ALPHA) < 3


def test_a_few_scores_in_the_tail_are_not_believed_yet() -> None:
    few = taught(np.full(int(BELIEF / 20), 0.9))
    assert few.boundary(CELL, ALPHA) < 1.5


def test_a_row_that_is_given_away_forgets() -> None:
    calibration = taught(restless(0.3))
    calibration.admit(0)
    assert calibration.boundary(CELL, ALPHA) == pytest.approx(1)


def test_the_budget_is_spread_over_all_that_is_judged() -> None:
    assert alpha_for(1, 200) == pytest.approx(alpha_for(1, 100) / 2)
    assert alpha_for(2, 100) == pytest.approx(alpha_for(1, 100) * 2)
    assert alpha_for(1e9, 1) == 0.01
    assert alpha_for(1, 10**12) == 1e-12
