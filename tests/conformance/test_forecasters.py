"""What every forecaster must keep, over the table; and that their blend is worth having."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pytest

import autoscaler.forecasters
from autoscaler.forecasters import FORECASTERS
from autoscaler.forecasters.blend import Blend
from streams.clock import SECOND_US
from streams.errors import InvalidParameterError
from streams.windows.table import Floats

START_US = 1_700_000_000 * SECOND_US
QUANTILES = (0.1, 0.5, 0.9, 0.99)
HORIZON_S = 30
SHARED = {"__init__", "base", "blend", "even_scale", "level", "past_errors"}


def in_service(rate_per_s: Floats, service_s: int = 10, seed: int = 7) -> Floats:
    """Requests in service by second, each for ``service_s``, arriving at this rate."""
    arrived = np.random.default_rng(seed).poisson(rate_per_s)
    busy: Floats = np.convolve(arrived, np.ones(service_s))[: arrived.size].astype(np.float64)
    return busy


SECONDS = np.arange(10_800)
BURSTS = SECONDS % 60 < 10

GROUND: Final[Mapping[str, Floats]] = {
    "calm": in_service(np.full(SECONDS.size, 3.0)),
    "swell": in_service(4 + 3 * np.sin(SECONDS / 3_600 * 2 * np.pi)),
    "steps": in_service(np.where(SECONDS // 200 % 2, 4.0, 2.0)),
    "bursts": in_service(np.where(BURSTS, 8.0, 2.0)),
}


def blend(*names: str) -> Blend:
    return Blend({name: FORECASTERS[name]() for name in names or FORECASTERS})


@pytest.fixture(params=FORECASTERS)
def alone(request: pytest.FixtureRequest) -> Blend:
    """A blend of this one forecaster."""
    return blend(request.param)


def fed(one: Blend, values: Sequence[float] | Floats) -> Blend:
    for number, value in enumerate(values):
        one.observe(START_US + number * SECOND_US, float(value))
    return one


def judged(one: Blend, values: Floats, quantiles: Sequence[float]) -> tuple[Floats, Floats]:
    """Forecasts of the last two thirds, a column a quantile, and what was the highest then."""
    forecasts, highest = [], []
    for number, value in enumerate(values.tolist()):
        one.observe(START_US + number * SECOND_US, value)
        ahead = values[number + 1 : number + 1 + HORIZON_S]
        if number % 7 == 0:
            forecast = one.forecast(HORIZON_S, quantiles)
            if number > values.size // 3 and ahead.size == HORIZON_S:
                forecasts.append(forecast)
                highest.append(ahead.max())
    return np.array(forecasts), np.array(highest)


def loss(one: Blend, values: Floats) -> float:
    quantiles = np.array([0.5, 0.9])
    forecasts, highest = judged(one, values, quantiles.tolist())
    rest = highest[:, None] - forecasts
    return float(np.maximum(quantiles * rest, (quantiles - 1) * rest).mean())


def test_the_table_names_every_file() -> None:
    files = {path.stem for path in Path(autoscaler.forecasters.__path__[0]).glob("*.py")}
    assert files - SHARED == set(FORECASTERS)


@pytest.mark.parametrize("name", FORECASTERS)
def test_it_expects_a_constant_to_stay(name: str) -> None:
    one = FORECASTERS[name]()
    one.aim(30.0)
    before = one.expects()
    for second in range(300):
        one.learn(second, 5.0)

    assert before == 0.0
    assert one.expects() == pytest.approx(5.0)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([], id="nothing-seen"),
        pytest.param([3.0], id="one-value"),
        pytest.param([0.0] * 400, id="no-demand"),
        pytest.param(np.geomspace(1, 1e9, 400), id="explosion"),
        pytest.param(np.geomspace(1e9, 1, 400), id="collapse"),
        pytest.param(in_service(np.full(400, 0.3)), id="few-requests"),
    ],
)
@pytest.mark.parametrize("horizon_s", [0.0, 12.0, 3_600.0])
def test_forecasts_are_finite_ordered_and_never_negative(
    alone: Blend, values: Sequence[float], horizon_s: float
) -> None:
    alone.forecast(horizon_s, QUANTILES)
    forecast = np.array(fed(alone, values).forecast(horizon_s, QUANTILES))

    assert forecast.shape == (4,)
    assert np.all(np.isfinite(forecast) & (forecast >= 0))
    assert np.all(np.diff(forecast) >= 0)


def test_a_constant_is_forecast_as_it_is(alone: Blend) -> None:
    alone.forecast(10, QUANTILES)
    median = fed(alone, [5.0] * 900).forecast(10, [0.5])[0]

    assert median == pytest.approx(5.0, rel=0.1)


def test_repeated_and_older_observations_change_nothing(alone: Blend) -> None:
    before = fed(alone, in_service(np.ones(50))).forecast(10, QUANTILES)
    alone.observe(START_US + 49 * SECOND_US, 1e6)
    alone.observe(START_US, 1e6)

    assert alone.forecast(10, QUANTILES) == before


def test_a_gap_of_years_is_survived(alone: Blend) -> None:
    fed(alone, [2.0] * 400).observe(START_US + 10**9 * SECOND_US, 4.0)

    assert np.all(np.isfinite(alone.forecast(10, QUANTILES)))


def test_the_same_seconds_give_the_same_forecasts() -> None:
    values = GROUND["bursts"][:2_000]

    assert fed(blend(), values).forecast(30, QUANTILES) == fed(blend(), values).forecast(
        30, QUANTILES
    )


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_what_is_no_demand_is_refused(value: float) -> None:
    with pytest.raises(InvalidParameterError, match="demand must be finite and at least 0"):
        blend().observe(START_US, value)


@pytest.mark.parametrize("quantiles", [(0.9, 0.5), (0.0,), (1.0,)])
def test_what_are_no_quantiles_is_refused(quantiles: tuple[float, ...]) -> None:
    with pytest.raises(InvalidParameterError, match="quantiles must be ascending"):
        blend().forecast(10, quantiles)


@pytest.mark.parametrize("ground", GROUND)
def test_quantiles_cover_what_they_say(ground: str) -> None:
    forecasts, highest = judged(blend(), GROUND[ground], QUANTILES[1:3])
    covered = (highest[:, None] <= forecasts).mean(axis=0)

    assert covered == pytest.approx(QUANTILES[1:3], abs=0.07)


@pytest.mark.parametrize("ground", GROUND)
def test_the_blend_is_never_much_worse_than_the_recent_level(ground: str) -> None:
    assert loss(blend(), GROUND[ground]) < 1.03 * loss(blend("recent"), GROUND[ground])


def test_the_blend_learns_that_bursts_come_again() -> None:
    assert loss(blend(), GROUND["bursts"]) < 0.9 * loss(blend("recent"), GROUND["bursts"])


def test_growth_of_yesterday_is_expected_again() -> None:
    one = FORECASTERS["seasonal"]()
    one.aim(600.0)
    for second in range(86_400 + 3_600):
        one.learn(second, 10.0 if second % 86_400 < 3_600 else 20.0)

    assert one.expects() == pytest.approx(10 * 1.8**0.5, rel=0.02)


def test_a_pool_that_becomes_restless_is_doubted_at_once() -> None:
    def doubt(one: Blend) -> float:
        low, high = one.forecast(HORIZON_S, (0.5, 0.96))
        return high - low

    one = blend("returning")
    one.forecast(HORIZON_S, (0.5,))
    before = doubt(fed(one, GROUND["calm"][:3_600]))
    for number, value in enumerate(GROUND["bursts"][3_600:3_900].tolist(), 3_600):
        one.observe(START_US + number * SECOND_US, value)

    assert doubt(one) > 2.5 * before
