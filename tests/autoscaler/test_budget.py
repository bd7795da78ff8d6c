"""The quantile that spends the budget and no more."""

import numpy as np
import pytest

from autoscaler.budget import Budget

HOUR_S = 3_600


def after(hours: int, missed_ratio: float, *, budget_ratio: float = 0.01) -> float:
    """The quantile at a lead time of two minutes, after hours of 100 arrivals a second."""
    budget = Budget(budget_ratio)
    start = budget.quantile(120.0)
    for _ in range(hours * HOUR_S):
        budget.see(100, round(100 * missed_ratio))
    return budget.quantile(120.0) - start


def test_hours_without_a_miss_are_spent() -> None:
    assert after(12, 0.0) < -0.1


def test_hours_of_misses_are_paid_for() -> None:
    assert after(12, 0.05) > 0.1


def test_it_never_leaves_its_bounds() -> None:
    assert 0.001 < after(240, 0.0) + Budget(0.01).quantile(120.0) < 0.005
    assert 0.95 < after(24, 1.0) + Budget(0.01).quantile(120.0) < 0.995


def test_a_smaller_budget_starts_more_carefully() -> None:
    assert Budget(0.001).quantile(120.0) > Budget(0.01).quantile(120.0)


def test_misses_told_late_and_all_at_once_count_as_one_bad_step() -> None:
    budget = Budget(0.01)
    before = budget.quantile(120.0)
    for second in range(20):
        budget.see(1, 10_000 if second == 19 else 0)

    assert 0 < budget.quantile(120.0) - before < 0.02


def test_in_the_long_run_misses_come_to_rest_below_the_budget() -> None:
    """Against a world in which need is normal: what is above the quantile is missed."""
    rng = np.random.default_rng(3)
    budget, missed = Budget(0.01), []
    for _ in range(15 * 24 * 360):
        short = rng.random() > 1 - (1 - budget.quantile(120.0)) / 30
        missed.append(50 * short)
        for _ in range(10):
            budget.see(10, 5 * short)

    assert np.mean(missed[len(missed) // 2 :]) / 100 == pytest.approx(0.007, abs=0.002)
