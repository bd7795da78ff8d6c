"""A pool's outlook over strange days: whatever comes, forecasts stay sane."""

import math
from collections.abc import Iterable

import numpy as np
import pytest

from autoscaler.demand import PoolSecond
from autoscaler.outlook import Outlook
from tests.autoscaler.world import at

SLOTS = 8


def outlook(held: Iterable[float], *, skip: int = 0) -> Outlook:
    """One second each, of requests that take ten; every ``skip``-th second is missing."""
    one = Outlook(slo_queue_s=1.0, miss_budget_ratio=0.01)
    one.forecast(120.0)
    for number, value in enumerate(held):
        if skip and number % skip == 0:
            continue
        n = round(value / 10)
        one.see(
            PoolSecond(
                at(number),
                arrived=n,
                in_flight=value,
                gauged=True,
                ready=10,
                served_n=n,
                served_s=10.0 * n,
            ),
            SLOTS,
            trusted=True,
        )
    return one


def planned(one: Outlook) -> float:
    return one.forecast(120.0).planned.value


CALM = np.random.default_rng(5).poisson(50, 3_000).astype(np.float64)


def test_a_calm_pool_is_planned_for_its_peaks() -> None:
    assert 55 < planned(outlook(CALM)) < 75


@pytest.mark.parametrize("skip", [2, 7])
def test_missing_windows_change_little(skip: int) -> None:
    assert planned(outlook(CALM, skip=skip)) == pytest.approx(planned(outlook(CALM)), rel=0.15)


def test_nothing_is_planned_for_after_a_week_of_nothing() -> None:
    quiet = outlook(np.append(CALM, np.zeros(20_000)))

    assert planned(quiet) < SLOTS


def test_a_surge_of_a_hundred_times_is_believed_at_once_and_stays_finite() -> None:
    surge = planned(outlook(np.append(CALM, np.full(60, 5_000.0))))

    assert surge > 5_000
    assert math.isfinite(surge)


def test_a_restless_pool_is_planned_higher_than_a_calm_one_of_the_same_mean() -> None:
    restless = CALM + np.where(np.arange(CALM.size) % 120 < 30, 60, -20)

    assert planned(outlook(restless)) > planned(outlook(CALM)) + 30


def test_beside_the_quantile_planned_for_are_those_of_other_budgets() -> None:
    forecast = outlook(CALM).forecast(120.0)

    assert forecast.quantiles[0].q == 0.1
    assert forecast.quantiles[0].value < forecast.planned.value < forecast.quantiles[-1].value
