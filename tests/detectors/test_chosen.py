import pytest

from detectors.chosen import chosen
from detectors.defaults import DEFAULTS
from detectors.settings import DetectionSettings, DetectorSettings
from streams.errors import InvalidParameterError

OWN = DetectorSettings.model_validate(
    {"kind": "limit", "series": "gpu", "values": ["power_w_max"], "with": {"limit": 400}}
)


def names(**settings: object) -> list[str]:
    return [one.name for one in chosen(DetectionSettings.model_validate(settings))]


def test_nothing_said_all_built_in_ones_run() -> None:
    assert chosen(DetectionSettings()) == DEFAULTS


def test_one_that_is_named_is_left_out_and_all_others_run() -> None:
    kept = names(without=["river engine.ttft_s_mean"])

    assert len(kept) == len(DEFAULTS) - 1
    assert "river engine.ttft_s_mean" not in kept


def test_all_of_a_name_are_left_out() -> None:
    twice = "rise engine.rss_bytes_max"

    assert [one.name for one in DEFAULTS].count(twice) == 2
    assert twice not in names(without=[twice])


def test_a_name_of_the_built_in_set_does_no_harm_to_others() -> None:
    assert names(detectors=[OWN], without=["river engine.ttft_s_mean"]) == [OWN.name]
    assert names(detectors=[OWN], without=["limit gpu.power_w_max"]) == []


def test_an_unknown_name_is_told_with_those_that_there_are() -> None:
    with pytest.raises(InvalidParameterError, match=r"of apart engine\..*got 'river ttft'"):
        names(without=["river ttft"])
