"""One detector end to end: what it learns, what it holds back, what it says."""

from typing import Any

import numpy as np
import pytest

from detectors.member import RELEARN_S, Judged, Member
from detectors.settings import DetectorSettings
from streams.errors import InvalidParameterError

ROW = np.array([0])
ALPHA = 1e-7


def member(kind: str = "ewma", **fields: Any) -> Member:
    usual: dict[str, Any] = {
        "kind": kind,
        "series": "engine",
        "values": ("ttft_s_mean",),
        "lag_s": 0,
        "with": {"warmup_s": 10, "half_life_s": 60} if kind == "ewma" else {},
    }
    made = Member(DetectorSettings.model_validate(usual | fields), step_s=1)
    made.admit(0, {"cluster": "local", "pool": "a", "replica": "a-1"})
    return made


def step(made: Member, *inputs: float) -> Judged:
    return made.step(ROW, np.array([inputs]), ALPHA)


def score(made: Member, *inputs: float) -> float:
    return float(step(made, *inputs).score[0])


def taught(made: Member, seconds: int = 60) -> Member:
    for value in np.random.default_rng(2).normal(1.0, 0.05, seconds):
        step(made, float(value))
    return made


def test_what_lies_far_out_scores_and_the_usual_does_not() -> None:
    made = taught(member())
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
    assert (score(taught(member(**fields)), value) >= 1) is found


def test_the_band_holds_what_would_not_score() -> None:
    made = taught(member(min_abs=1.5))
    upper = float(step(made, 1.0).upper[0])
    assert upper == pytest.approx(2.5, abs=0.1)
    assert score(made, upper - 0.2) < 1 < score(made, upper + 0.2)


def test_smoothing_holds_a_single_window_back() -> None:
    made = taught(member(smooth_s=5, min_abs=0.5))
    assert score(made, 4.0) < 1
    assert max(score(made, 4.0) for _ in range(5)) > 1


def test_an_outage_does_not_become_normal_but_what_lasts_does() -> None:
    made = taught(member(), 300)
    during = [score(made, 3.0) for _ in range(int(RELEARN_S))]
    assert min(during[:60]) > 1
    for _ in range(600):
        step(made, 3.0)
    assert score(made, 3.0) < 1


def test_what_is_happening_now_is_not_yet_the_past() -> None:
    made = taught(member(lag_s=10))
    expected = step(made, 1.0).expected[0]
    for _ in range(9):
        step(made, 1.2)
    assert step(made, 1.0).expected[0] == pytest.approx(expected, abs=0.02)


def test_a_row_that_is_given_away_is_not_taught_by_its_former_series() -> None:
    made = taught(member(lag_s=10))
    made.admit(0, {"pool": "a"})
    for _ in range(12):
        step(made, 5.0)
    assert step(made, 5.0).expected[0] == pytest.approx(5.0)


def test_latency_is_judged_given_the_load() -> None:
    made = member(given="in_flight_mean", min_ratio=0.5)
    loads = np.random.default_rng(3).integers(1, 5, 200)
    for load in loads.tolist():
        step(made, 0.1 * load, load)
    assert score(made, 0.4, 4.0) < 1 < score(made, 0.4, 1.0)
    judged = step(made, 0.4, 4.0)
    assert (judged.actual[0], judged.expected[0]) == pytest.approx((0.4, 0.4), rel=0.1)


def test_a_fixed_meaning_is_neither_calibrated_nor_unlearned() -> None:
    made = member("limit", **{"with": {"limit": 4.0}})
    assert [score(made, 8.0) for _ in range(300)] == [2.0] * 300
    assert made.tail_probability(0, 2.0, ALPHA) is None


def test_a_learned_score_comes_with_its_probability() -> None:
    made = taught(member())
    probability = made.tail_probability(0, float(step(made, 3.0).raw[0]), ALPHA)
    assert probability is not None
    assert 0 <= probability < ALPHA


def test_a_window_without_rows_is_a_window_too() -> None:
    made = taught(member(lag_s=2), 20)
    nothing = made.step(np.zeros(0, np.int64), np.zeros((0, 1)), ALPHA)
    assert nothing.score.shape == (0,)


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
        member(**fields)
