import pytest

from streams.schemas.telemetry import EngineSample, GpuSample, RequestEvent
from streams.windows.features import FEATURES, HISTOGRAM_QUANTILES, VALUES, Merge, find_value
from streams.windows.histogram import VALUE_LIMIT

RECORDS = {"request": RequestEvent, "engine": EngineSample, "gpu": GpuSample}


@pytest.mark.parametrize("kind", FEATURES)
def test_every_feature_but_counts_is_a_field_of_its_record(kind: str) -> None:
    fields = set(RECORDS[kind].__struct_fields__)

    features = [f.source for f in FEATURES[kind] if f.merge is not Merge.COUNT]
    assert set(features) <= fields


@pytest.mark.parametrize("kind", FEATURES)
def test_names_come_once(kind: str) -> None:
    features, values = [f.name for f in FEATURES[kind]], [v.name for v in VALUES[kind]]

    assert len(set(features)) == len(features)
    assert len(set(values)) == len(values)


@pytest.mark.parametrize("kind", FEATURES)
def test_every_feature_has_unit_and_help(kind: str) -> None:
    assert all(feature.unit and feature.help for feature in FEATURES[kind])


@pytest.mark.parametrize("kind", FEATURES)
def test_scales_leave_room_for_any_sensible_value(kind: str) -> None:
    largest = {"bytes": 1e13, "s": 1e6, "W": 1e5, "tokens": 1e9, "requests": 1e8, "cores": 1e4}

    for feature in FEATURES[kind]:
        assert largest.get(feature.unit, 1e4) * feature.scale < VALUE_LIMIT


def test_values_are_found_by_name() -> None:
    assert find_value("request", "ttft_s_p95").unit == "s"
    with pytest.raises(KeyError, match="tide_height"):
        find_value("request", "tide_height")


def test_quantiles_are_named_after_their_share() -> None:
    assert {f"p{round(q * 100)}": q for q in HISTOGRAM_QUANTILES.values()} == HISTOGRAM_QUANTILES
