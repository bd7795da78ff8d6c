"""Detectors end to end: what they learn, what they hold back, what they say."""

from typing import Any

import numpy as np
import pytest

from detectors.jury import Judged, Jury, JuryState
from detectors.protection import RELEARN_S
from detectors.settings import DetectorSettings
from streams.errors import InvalidParameterError
from streams.packing import pack, unpack

ROW = np.array([0])
ALPHA = 1e-7


def settings(kind: str = "ewma", **fields: Any) -> DetectorSettings:
    usual: dict[str, Any] = {
        "kind": kind,
        "series": "engine",
        "values": ("ttft_s_mean",),
        "lag_s": 0,
        "with": {"warmup_s": 10, "half_life_s": 60} if kind == "ewma" else {},
    }
    return DetectorSettings.model_validate(usual | fields)


def jury(kind: str = "ewma", **fields: Any) -> Jury:
    """Of one member."""
    made = Jury([settings(kind, **fields)], step_s=1)
    made.admit(0, {"cluster": "local", "pool": "a", "replica": "a-1"})
    return made


def step(made: Jury, *values: float) -> Judged:
    """In the order of the member's own inputs."""
    given = dict(zip(made.members[0].inputs, values, strict=True))
    inputs = np.array([[given[name] for name in made.inputs]])
    return made.step(ROW, inputs, made.wanted(inputs), ALPHA, lambda *_: 1.0)


def score(made: Jury, *inputs: float) -> float:
    return float(step(made, *inputs).score[0])


def taught(made: Jury, seconds: int = 60) -> Jury:
    for value in np.random.default_rng(2).normal(1.0, 0.05, seconds):
        step(made, float(value))
    return made


def in_proportion_to_load(**fields: Any) -> Jury:
    """Of two values, of which one goes with the load and the other with its square."""
    made = jury(values=["ttft_s_mean", "inter_token_s_mean"], given="in_flight_mean", **fields)
    for load in np.random.default_rng(4).integers(1, 5, 300).astype(float):
        step(made, 0.1 * load, 0.01 * load**2, load)
    return made


ENSEMBLE: dict[str, Any] = {"kind": "ensemble", "with": {"memory_s": 300, "fast_memory_s": 60}}


def test_each_of_several_values_is_judged_relative_to_what_it_shows_at_that_load() -> None:
    made = in_proportion_to_load(**ENSEMBLE)
    usual = step(made, 0.4, 0.16, 4.0)
    slow = step(made, 0.4, 0.64, 4.0)
    assert usual.score[0] < 1 <= slow.score[0]
    assert slow.column[0] == 1
    assert slow.expected[0] == pytest.approx(0.16, rel=0.05)


def test_without_load_nothing_is_judged_relative_to_it() -> None:
    assert in_proportion_to_load(**ENSEMBLE).wanted(np.array([[0.0, 0.1, 0.1]])).tolist() == [
        [False]
    ]


def test_what_lies_far_out_scores_and_the_usual_does_not() -> None:
    made = taught(jury())
    assert score(made, 1.02) < 1 < score(made, 3.0)


@pytest.mark.parametrize(
    ("fields", "value", "found"),
    [
        pytest.param({"min_abs": 1.5}, 2.0, False, id="too-near-in-its-unit"),
        pytest.param({"min_abs": 1.5}, 3.0, True, id="far-enough-in-its-unit"),
        pytest.param({"min_ratio": 1.5}, 2.0, False, id="too-near-as-a-share"),
        pytest.param({"min_ratio": 1.5}, 3.0, True, id="far-enough-as-a-share"),
        pytest.param({"direction": "below"}, 3.0, False, id="on-the-other-side"),
        pytest.param({"direction": "below"}, 0.1, True, id="on-its-side"),
    ],
)
def test_only_what_matters_to_somebody_scores(
    fields: dict[str, Any], value: float, found: bool
) -> None:
    assert (score(taught(jury(**fields)), value) >= 1) is found


def test_the_band_holds_what_would_not_score() -> None:
    made = taught(jury(min_abs=1.5))
    upper = float(step(made, 1.0).upper[0])
    assert upper == pytest.approx(2.5, abs=0.1)
    assert score(made, upper - 0.2) < 1 < score(made, upper + 0.2)


def test_smoothing_holds_a_single_window_back() -> None:
    made = taught(jury(smooth_s=5, min_abs=0.5))
    assert score(made, 4.0) < 1
    assert max(score(made, 4.0) for _ in range(5)) > 1


def test_an_outage_does_not_become_normal_but_what_lasts_does() -> None:
    made = taught(jury(), 300)
    during = [score(made, 3.0) for _ in range(int(RELEARN_S))]
    assert min(during[:60]) > 1
    for _ in range(600):
        step(made, 3.0)
    assert score(made, 3.0) < 1


def test_what_is_happening_now_is_not_yet_the_past() -> None:
    made = taught(jury(lag_s=10))
    expected = step(made, 1.0).expected[0]
    for _ in range(9):
        step(made, 1.2)
    assert step(made, 1.0).expected[0] == pytest.approx(expected, abs=0.02)


def test_a_row_that_is_given_away_is_not_taught_by_its_former_series() -> None:
    made = taught(jury(lag_s=10))
    made.admit(0, {"pool": "a"})
    for _ in range(12):
        step(made, 5.0)
    assert step(made, 5.0).expected[0] == pytest.approx(5.0)


def test_latency_is_judged_given_the_load() -> None:
    made = jury(given="in_flight_mean", min_ratio=0.5)
    loads = np.random.default_rng(3).integers(1, 5, 200)
    for load in loads.tolist():
        step(made, 0.1 * load, load)
    assert score(made, 0.4, 4.0) < 1 < score(made, 0.4, 1.0)
    judged = step(made, 0.4, 4.0)
    assert (judged.actual[0], judged.expected[0]) == pytest.approx((0.4, 0.4), rel=0.1)


def test_a_fixed_meaning_is_neither_calibrated_nor_unlearned() -> None:
    made = jury("limit", **{"with": {"limit": 4.0}})
    assert [score(made, 8.0) for _ in range(300)] == [2.0] * 300
    assert made.tail_probability((0, 0), 2.0, ALPHA) is None


def test_a_learned_score_comes_with_its_probability() -> None:
    made = taught(jury())
    probability = made.tail_probability((0, 0), float(step(made, 3.0).raw[0]), ALPHA)
    assert probability is not None
    assert 0 <= probability < ALPHA


def test_a_window_without_rows_is_a_window_too() -> None:
    made = taught(jury(lag_s=2), 20)
    nothing = made.step(ROW[:0], np.zeros((0, 1)), np.zeros((0, 1), np.bool_), ALPHA, lambda *_: 1)
    assert nothing.score.shape == (0,)


def test_a_member_does_not_feel_the_others() -> None:
    several = [
        settings(),
        settings(smooth_s=3, values=("cpu_ratio_mean",)),
        settings("limit"),
    ]
    together, alone = Jury(several, step_s=1), Jury(several[:1], step_s=1)
    for value, cpu in np.random.default_rng(5).normal(1.0, 0.1, (90, 2)):
        both = np.array([[cpu, value]])
        of_all = together.step(ROW, both, together.wanted(both), ALPHA, lambda *_: 1.0)
        of_one = alone.step(ROW, both[:, 1:], np.array([[True]]), ALPHA, lambda *_: 1.0)
        assert (of_all.score[0], of_all.upper[0]) == (of_one.score[0], of_one.upper[0])


def test_what_a_member_has_no_value_for_it_does_not_judge() -> None:
    made = Jury([settings(), settings(values=("cpu_ratio_mean",))], step_s=1)
    inputs = np.array([[np.nan, 1.0]])
    judged = made.step(ROW, inputs, made.wanted(inputs), ALPHA, lambda *_: 1.0)
    assert [one.tolist() for one in judged.cells] == [[0], [0]]


@pytest.mark.parametrize("seconds", [0, 5, 40, 200])
def test_one_that_takes_up_the_state_of_another_goes_on_like_it(seconds: int) -> None:
    made, other = (jury(given="in_flight_mean", lag_s=10) for _ in range(2))
    values = np.random.default_rng(6).normal([1.0, 3.0], 0.2, (260, 2)).tolist()
    for pair in values[:seconds]:
        step(made, *pair)

    other.state = unpack(pack(made.state), JuryState)

    assert [score(made, *pair) for pair in values[seconds:]] == [
        score(other, *pair) for pair in values[seconds:]
    ]
    assert pack(made.state) == pack(other.state)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        pytest.param({"kind": "oracle"}, "oracle", id="no-such-bank"),
        pytest.param({"with": {"sigmsa": 3}}, "sigmsa", id="no-such-option"),
        pytest.param({"with": {"half_life_s": -1}}, "half_life_s", id="option-out-of-range"),
    ],
)
def test_a_wrong_setting_is_named(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidParameterError, match=named):
        jury(**fields)
