"""Many series judged at once: strange or usual, news or not."""

from dataclasses import asdict

import numpy as np
import pytest

from detectors.ensemble import Ensemble, EnsembleSettings, EnsembleState, Judgement
from streams.errors import InvalidParameterError
from streams.packing import pack, unpack

ROWS = np.arange(4)
NOISE = np.random.default_rng(3).normal(100.0, 5.0, (120, 4, 2))


def ensemble() -> Ensemble:
    return Ensemble(columns=2, step_s=60.0, settings=EnsembleSettings(size=64))


def after(windows: np.ndarray, rows: np.ndarray = ROWS) -> tuple[Ensemble, list[Judgement]]:
    judge = ensemble()
    return judge, [judge.step(rows, values) for values in windows]


def test_usual_windows_stay_below_the_boundary() -> None:
    scores = np.array([judgement.score for judgement in after(NOISE)[1]])
    assert np.all(scores < 1)


def test_a_jump_is_news_and_is_blamed_on_its_column() -> None:
    jump = NOISE[:1].copy()
    jump[0, 2, 1] += 200
    judgement = after(np.concatenate([NOISE, jump]))[1][-1]
    assert (judgement.score >= 1).tolist() == [False, False, True, False]
    assert judgement.column[2] == 1
    assert judgement.above[2]
    assert judgement.upper[2] < jump[0, 2, 1]


def test_columns_that_no_longer_go_together_are_strange_though_each_is_usual() -> None:
    both = np.repeat(NOISE[:, :, :1], 2, axis=2)
    apart = both[:1] + np.array([10.0, -10.0])
    last = after(np.concatenate([both, apart]))[1][-1]
    assert np.all(last.members["mahalanobis"] > 1.4 * last.members["slow"])


def test_what_is_wrong_lasts() -> None:
    jump = np.full((1, 4, 2), 300.0)
    scores = [j.score[0] for j in after(np.concatenate([NOISE, jump, NOISE[:30]]))[1]]
    just_after, much_later = scores[124], scores[-1]
    assert scores[120] >= 1 > just_after > 1.5 * much_later


def test_a_series_does_not_feel_its_neighbours() -> None:
    alone, together = after(NOISE[:, 1:2], ROWS[1:2])[1][-1], after(NOISE)[1][-1]
    assert alone.score[0] == together.score[1]


@pytest.mark.parametrize("windows", [0, 5, 20, 100])
def test_one_that_takes_up_the_state_of_another_goes_on_like_it(windows: int) -> None:
    judge, _ = after(NOISE[:windows])
    other = ensemble()
    other.state = unpack(pack(judge.state), EnsembleState)
    for values in NOISE[windows:]:
        assert pack(asdict(judge.step(ROWS, values))) == pack(asdict(other.step(ROWS, values)))
    assert pack(judge.state) == pack(other.state)


@pytest.mark.parametrize(
    "strange",
    [
        pytest.param(np.nan, id="missing"),
        pytest.param(np.inf, id="infinite"),
        pytest.param(-np.inf, id="infinite-below"),
        pytest.param(1e308, id="as-large-as-can-be"),
        pytest.param(5e-324, id="as-small-as-can-be"),
    ],
)
@pytest.mark.parametrize("usual", [NOISE[:40], np.zeros((40, 4, 2)), np.zeros((0, 4, 2))])
def test_every_input_has_a_finite_score(strange: float, usual: np.ndarray) -> None:
    whole, part = np.full((3, 4, 2), strange), np.array(NOISE[:3])
    part[:, :, 0] = strange
    for judgement in after(np.concatenate([usual, whole, part, NOISE[:3]]))[1]:
        assert np.all(np.isfinite(judgement.score) & (judgement.score >= 0))
        assert np.all(np.isfinite(judgement.p))


def test_a_row_without_any_value_scores_nothing_and_learns_nothing() -> None:
    judge, _ = after(NOISE)
    before = pack(judge.state)
    assert not judge.step(ROWS, np.full((4, 2), np.nan)).score.any()
    assert pack(judge.state) == before


def test_no_rows_are_no_trouble() -> None:
    assert ensemble().step(ROWS[:0], NOISE[0, :0]).score.shape == (0,)


@pytest.mark.parametrize("name", ["false_alerts_per_day", "memory", "fast_memory", "lasts"])
def test_a_setting_outside_its_range_is_named(name: str) -> None:
    with pytest.raises(InvalidParameterError, match=name):
        EnsembleSettings(**{name: 0})
