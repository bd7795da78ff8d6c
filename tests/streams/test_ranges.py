"""The catalogue's word on values: bounds in order, and what lies outside of them."""

import pytest

from streams.maps.units import units_of
from streams.schemas.telemetry import EngineSample, GpuSample
from streams.windows.delta import sum_up
from streams.windows.features import FEATURES, Feature
from streams.windows.identity import SeriesIndex
from streams.windows.ranges import confused_unit
from tests.streams.samples import engine, gpu

ALL = [feature for features in FEATURES.values() for feature in features]


@pytest.mark.parametrize("feature", ALL, ids=lambda one: one.name)
def test_bounds_are_in_order(feature: Feature) -> None:
    bounds = feature.range

    assert bounds.least <= bounds.low <= bounds.usual <= (bounds.doubtful or bounds.high)
    assert bounds.doubtful <= bounds.high


@pytest.mark.parametrize("feature", ALL, ids=lambda one: one.name)
def test_a_mapping_knows_the_unit_that_is_advised(feature: Feature) -> None:
    usual = feature.range.usual
    for factor in (1e-3, 1e-6, 1e-9, 1e-2, 2**10, 2**20, 2**30):
        unit = confused_unit(feature.name, feature.unit, usual / factor, usual / factor)
        assert unit is None or not unit.symbol or unit.symbol in units_of(feature.name)


@pytest.mark.parametrize(
    ("sample", "why"),
    [
        pytest.param(engine(waiting=-1.0), "waiting is -1: negative", id="fewer-than-none"),
        pytest.param(gpu(temperature_c=-300.0), "less than -273.15", id="colder-than-can-be"),
        pytest.param(gpu(temperature_c=-20.0), "", id="but-cold-is-possible"),
        pytest.param(gpu(util_ratio=87.0), "", id="implausible-is-kept"),
    ],
)
def test_the_impossible_is_set_aside(sample: EngineSample | GpuSample, why: str) -> None:
    kind = "gpu" if isinstance(sample, GpuSample) else "engine"

    rejects = sum_up([sample], interval_us=1_000_000, index=SeriesIndex(kind)).rejects

    assert [why in reject.detail for reject in rejects.values()] == ([True] if why else [])


@pytest.mark.parametrize(
    ("feature", "values", "unit"),
    [
        pytest.param("ttft_s", (57, 1_800), "milliseconds", id="ms"),
        pytest.param("ttft_s", (57e3, 1.8e6), "microseconds", id="us"),
        pytest.param("util_ratio", (3, 100), "percent", id="percent"),
        pytest.param("memory_used_bytes", (500, 81_920), "mebibytes", id="MiB"),
        pytest.param("power_w", (90_000, 700_000), "milliwatts", id="mW"),
        pytest.param("temperature_c", (45_000, 70_000), "thousandths of a degree", id="m°C"),
        pytest.param("sm_clock_mhz", (2.1e8, 1.9e9), "hertz", id="Hz"),
        pytest.param("util_ratio", (250, 700), None, id="no-unit-fits"),
    ],
)
def test_the_unit_is_guessed(feature: str, values: tuple[float, float], unit: str | None) -> None:
    ours = next(each for each in ALL if each.name == feature)

    found = confused_unit(feature, ours.unit, *values)

    assert (found.name if found else None) == unit
