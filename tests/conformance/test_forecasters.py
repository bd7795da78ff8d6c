"""What every forecaster must keep, over the table; and that it is worth having."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pytest

import autoscaler.forecasters
from autoscaler.forecasters import FORECASTERS
from autoscaler.forecasters.base import Forecaster
from streams.clock import SECOND_US
from streams.errors import InvalidParameterError
from streams.windows.table import Floats

START_US = 1_700_000_000 * SECOND_US
QUANTILES = (0.1, 0.5, 0.9, 0.99)
RNG = np.random.default_rng(7)


def in_service(rate_per_s: Floats, service_s: int = 10) -> Floats:
    """Requests in service by second, each for ``service_s``, arriving at this rate."""
    arrived = RNG.poisson(rate_per_s)
    busy: Floats = np.convolve(arrived, np.ones(service_s))[: arrived.size]
    return busy


SECONDS = np.arange(900)
MINUTES = np.arange(3 * 1_440)
DAILY = RNG.poisson(
    40 + 30 * np.sin(MINUTES / 1_440 * 2 * np.pi) + 10 * np.sin(MINUTES / 90 * 2 * np.pi)
).astype(np.float64)

GROUND: Final[Mapping[str, tuple[Floats, float, float]]] = {
    "blend": (in_service(np.where(SECONDS // 200 % 2, 0.9, 0.2)), 1.0, 12.0),
    "seasonal_naive": (DAILY, 60.0, 600.0),
    "smooth": (in_service(np.full(900, 0.5)), 1.0, 12.0),
    "trend": (in_service(60 + 50 * np.sin(SECONDS / 300 * 2 * np.pi)), 1.0, 12.0),
}
"""Name -> demand of the kind it is for, seconds a step, horizon in seconds."""


@pytest.fixture(params=FORECASTERS)
def forecaster(request: pytest.FixtureRequest) -> Forecaster:
    return FORECASTERS[request.param]()


def fed(forecaster: Forecaster, values: Floats, step_s: float = 1.0) -> Forecaster:
    for number, value in enumerate(values.tolist()):
        forecaster.observe(START_US + round(number * step_s * SECOND_US), value)
    return forecaster


def loss(name: str, values: Floats, step_s: float, horizon_s: float) -> float:
    """Mean pinball loss of the median and the 0.9 quantile over the last half of ``values``."""
    forecaster, ahead = FORECASTERS[name](step_s=step_s), round(horizon_s / step_s)
    losses = []
    for number, value in enumerate(values.tolist()):
        forecaster.observe(START_US + round(number * step_s * SECOND_US), value)
        if number < values.size // 2 or number % 7 or number + ahead >= values.size:
            continue
        for q, forecast in zip(
            (0.5, 0.9), forecaster.forecast(horizon_s, (0.5, 0.9)).tolist(), strict=True
        ):
            rest = values[number + ahead] - forecast
            losses.append(max(q * rest, (q - 1) * rest))
    return float(np.mean(losses))


def test_the_table_names_every_file() -> None:
    shared = {"__init__", "base", "hindcast"}
    files = {path.stem for path in Path(autoscaler.forecasters.__path__[0]).glob("*.py")}
    assert files - shared == set(FORECASTERS)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(np.zeros(0), id="nothing-seen"),
        pytest.param(np.array([3.0]), id="one-value"),
        pytest.param(np.zeros(40), id="no-demand"),
        pytest.param(np.geomspace(1, 1e9, 40), id="explosion"),
        pytest.param(np.geomspace(1e9, 1, 40), id="collapse"),
        pytest.param(in_service(np.full(200, 0.3)), id="few-requests"),
    ],
)
@pytest.mark.parametrize("horizon_s", [0.0, 12.0, 3_600.0])
def test_forecasts_are_finite_ordered_and_never_negative(
    forecaster: Forecaster, values: Floats, horizon_s: float
) -> None:
    forecast = fed(forecaster, values).forecast(horizon_s, QUANTILES)

    assert forecast.shape == (4,)
    assert np.all(np.isfinite(forecast) & (forecast >= 0))
    assert np.all(np.diff(forecast) >= 0)


def test_a_constant_is_forecast_as_it_is(forecaster: Forecaster) -> None:
    assert fed(forecaster, np.full(300, 5.0)).forecast(10, (0.5,))[0] == pytest.approx(5.0, rel=0.1)


def test_repeated_and_older_observations_change_nothing(forecaster: Forecaster) -> None:
    before = fed(forecaster, in_service(np.ones(50))).forecast(10, QUANTILES)
    forecaster.observe(START_US + 49 * SECOND_US, 1e6)
    forecaster.observe(START_US, 1e6)

    assert np.array_equal(forecaster.forecast(10, QUANTILES), before)


def test_a_gap_of_years_is_survived(forecaster: Forecaster) -> None:
    fed(forecaster, np.full(20, 2.0)).observe(START_US + 10**9 * SECOND_US, 4.0)

    assert np.all(np.isfinite(forecaster.forecast(10, QUANTILES)))


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_what_is_no_demand_is_refused(forecaster: Forecaster, value: float) -> None:
    with pytest.raises(InvalidParameterError, match="value must be finite and at least 0"):
        forecaster.observe(START_US, value)


@pytest.mark.parametrize("quantiles", [(0.9, 0.5), (0.0,), (1.0,)])
def test_what_are_no_quantiles_is_refused(
    forecaster: Forecaster, quantiles: tuple[float, ...]
) -> None:
    with pytest.raises(InvalidParameterError, match="quantiles must be ascending"):
        forecaster.forecast(10, quantiles)


@pytest.mark.parametrize("name", sorted(FORECASTERS.keys() - {"last_value"}))
def test_it_beats_the_last_value_where_it_is_meant_for(name: str) -> None:
    values, step_s, horizon_s = GROUND[name]

    assert loss(name, values, step_s, horizon_s) < 0.98 * loss(
        "last_value", values, step_s, horizon_s
    )


@pytest.mark.parametrize("ground", sorted(GROUND))
def test_the_blend_is_never_much_worse_than_the_last_value(ground: str) -> None:
    values, step_s, horizon_s = GROUND[ground]

    assert loss("blend", values, step_s, horizon_s) < 1.05 * loss(
        "last_value", values, step_s, horizon_s
    )
