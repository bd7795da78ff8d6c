"""What several fellows show at once is believed sooner than what one shows."""

import numpy as np
import pytest

from detectors.banks.together import TogetherBank


def scores(*up: float, several: int = 2, armed: int = 0) -> list[float]:
    bank = TogetherBank(limit=0.5, normal=1, several=several, armed=armed)
    found: list[float] = bank.score(np.arange(len(up)), np.array(up)).tolist()
    return found


@pytest.mark.parametrize(
    ("up", "expected"),
    [
        pytest.param((1, 1, 1, 0), [0, 0, 0, 0.5], id="one-is-chance"),
        pytest.param((1, 1, 0, 0), [0, 0, 1, 1], id="two-are-not"),
        pytest.param((1, 0, 0, 0), [0, 0, 0, 0], id="where-hardly-anybody-answers-who-asks-fails"),
        pytest.param((1, 1, 0.6, 0), [0, 0, 0.5, 0.5], id="only-those-beyond-the-limit-count"),
    ],
)
def test_a_limit_counts_where_several_are_beyond(
    up: tuple[float, ...], expected: list[float]
) -> None:
    assert scores(*up) == pytest.approx(expected)


def test_more_may_be_asked_for() -> None:
    assert max(scores(1, 1, 0, 0, several=3)) < 1


def test_what_never_answered_does_not_count() -> None:
    assert scores(1, 1, 0, 0, armed=1) == [0, 0, 0, 0]


def test_a_pool_does_not_count_for_another() -> None:
    bank, rows = TogetherBank(limit=0.5, normal=1), np.arange(4)
    for row in rows:
        bank.admit(int(row), {"cluster": "local", "pool": "codex" if row < 2 else "sora"})
    assert max(bank.score(rows, np.array([1.0, 0.0, 1.0, 0.0]))) < 1
