"""Each case: stretches of (seconds, failed a second, finished a second), and the score after."""

import numpy as np
import pytest

from detectors.banks.burn_rate import BurnRateBank

ROW = np.array([0])
HOUR = 3_600


def burned(*stretches: tuple[int, float, float]) -> BurnRateBank:
    bank = BurnRateBank(objective=0.99, pairs=[(HOUR, 300, 14.4)])
    for seconds, bad, good in stretches:
        for _ in range(seconds):
            bank.learn(ROW, np.array([[bad, good]]))
    return bank


@pytest.mark.parametrize(
    ("stretches", "low", "high"),
    [
        pytest.param([(HOUR, 0.1, 9.9)], 0.06, 0.08, id="what-the-objective-allows"),
        pytest.param([(HOUR, 0, 10), (540, 10, 0)], 1.0, 1.1, id="an-outage-of-nine-minutes"),
        pytest.param([(HOUR, 0, 10), (60, 10, 0)], 0.1, 0.13, id="of-one-minute-it-is-not-yet"),
        pytest.param([(60, 0, 10), (60, 5, 5)], 0.05, 0.06, id="nor-where-little-is-known"),
        pytest.param([(HOUR, 0, 10), (600, 10, 0), (330, 0, 10)], 0, 0, id="and-not-once-it-ends"),
        pytest.param([(HOUR, 0, 0)], 0, 0, id="nobody-asks"),
    ],
)
def test_the_budget_must_be_burning_in_both_windows(
    stretches: list[tuple[int, float, float]], low: float, high: float
) -> None:
    good = np.array([[0.0, stretches[-1][2]]])
    assert low <= burned(*stretches).score(ROW, good)[0] <= high


def test_the_band_ends_where_the_score_is_one() -> None:
    bank = burned((HOUR, 0, 10), (518, 10, 0))
    upper = bank.explain(ROW, np.array([[1.0, 9.0]])).upper[0]
    assert 0 < upper < 10
    assert bank.score(ROW, np.array([[upper, 10 - upper]]))[0] == pytest.approx(1.0)
