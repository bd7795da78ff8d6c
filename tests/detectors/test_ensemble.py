"""Many series judged at once: strange or usual, news or not."""

from typing import Any

import numpy as np
import pytest

from detectors.banks.base import Reading
from detectors.banks.ensemble import EnsembleBank, EnsembleState, Judgement
from streams.packing import pack, unpack

ROWS = np.arange(4)
NOISE = np.random.default_rng(3).normal(100.0, 5.0, (120, 4, 2))


def ensemble(**options: Any) -> EnsembleBank:
    """Of windows of a minute."""
    usual: dict[str, Any] = {"memory_s": 3e6, "fast_memory_s": 3_000, "lasts_s": 180, "size": 64}
    return EnsembleBank(**usual | options, step_s=60.0)


def judged(bank: EnsembleBank, values: np.ndarray, rows: np.ndarray = ROWS) -> Judgement:
    judgement = bank.judge(rows, values)
    bank.learn(rows, values)
    return judgement


def after(
    windows: np.ndarray, rows: np.ndarray = ROWS, **options: Any
) -> tuple[EnsembleBank, list[Judgement]]:
    bank = ensemble(**options)
    return bank, [judged(bank, values, rows) for values in windows]


def read_after_a_jump(**options: Any) -> Reading:
    """Of the second value of the third series, by 200."""
    jump = NOISE[0].copy()
    jump[2, 1] += 200
    return after(NOISE, **options)[0].explain(ROWS, jump)


def test_usual_windows_stay_below_the_boundary() -> None:
    scores = np.array([judgement.rank for judgement in after(NOISE)[1]])
    assert np.all(scores < 1)


def test_a_jump_is_news_and_is_blamed_on_its_value() -> None:
    reading = read_after_a_jump()
    assert (reading.score >= 1).tolist() == [False, False, True, False]
    assert (reading.column[2], reading.above[2]) == (1, True)
    assert reading.shares is not None
    assert reading.shares[2, 1] > 0.9
    assert reading.upper[2] < NOISE[0, 2, 1] + 200


def test_what_matters_to_nobody_is_no_news() -> None:
    assert (read_after_a_jump(least=[500.0]).score < 1).all()
    assert (read_after_a_jump(least=[500.0, 100.0]).score >= 1).any()


def test_columns_that_no_longer_go_together_are_strange_though_each_is_usual() -> None:
    both = np.repeat(NOISE[:, :, :1], 2, axis=2)
    apart = both[:1] + np.array([10.0, -10.0])
    last = after(np.concatenate([both, apart]))[1][-1]
    assert np.all(last.members["mahalanobis"] > 1.4 * last.members["slow"])


def test_what_is_wrong_lasts() -> None:
    jump = np.full((1, 4, 2), 300.0)
    scores = [one.rank[0] for one in after(np.concatenate([NOISE, jump, NOISE[:30]]))[1]]
    just_after, much_later = scores[124], scores[-1]
    assert scores[120] >= 1 > just_after > 1.5 * much_later


def test_news_that_goes_on_does_not_climb() -> None:
    lasting = np.full((5, 4, 2), 300.0)
    ranks = [one.rank for one in after(np.concatenate([NOISE, lasting]))[1]]
    assert np.all(ranks[120] > np.max(ranks[121:], axis=0) - 0.01)
    assert np.all(ranks[121] >= 1)


def test_a_series_does_not_feel_its_neighbours() -> None:
    alone, together = after(NOISE[:, 1:2], ROWS[1:2])[1][-1], after(NOISE)[1][-1]
    assert (alone.rank[0], alone.news[0]) == (together.rank[1], together.news[1])


@pytest.mark.parametrize("windows", [0, 5, 20, 100])
def test_one_that_takes_up_the_state_of_another_goes_on_like_it(windows: int) -> None:
    bank, _ = after(NOISE[:windows])
    other = ensemble()
    other.state = unpack(pack(bank.state), EnsembleState)
    for values in NOISE[windows:]:
        assert np.array_equal(judged(bank, values).rank, judged(other, values).rank)
    assert pack(bank.state) == pack(other.state)


def test_what_must_not_be_learned_moves_nothing_that_is_expected() -> None:
    bank, _ = after(NOISE)
    before = bank.judge(ROWS, NOISE[0])
    for _ in range(20):
        bank.learn(ROWS, NOISE[0] + 300, np.zeros(4))
    now = bank.judge(ROWS, NOISE[0])
    assert np.array_equal(now.usual, before.usual)
    assert np.array_equal(now.spread, before.spread)


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
        for score in (judgement.rank, judgement.news):
            assert np.all(np.isfinite(score) & (score >= 0))


def test_a_value_that_is_missing_is_taken_to_be_as_usual() -> None:
    bank, _ = after(NOISE)
    part = NOISE[0].copy()
    part[:, 0] = np.nan
    reading = bank.explain(ROWS, part)
    assert (reading.score < 1).all()
    assert (reading.column == 1).all()


def test_a_value_that_comes_late_is_no_great_news() -> None:
    late = np.concatenate([NOISE, NOISE])
    late[:120, :, 0] = np.nan
    assert max(judgement.news.max() for judgement in after(late)[1]) < 2


def test_no_rows_are_no_trouble() -> None:
    assert judged(ensemble(), NOISE[0, :0], ROWS[:0]).news.shape == (0,)
