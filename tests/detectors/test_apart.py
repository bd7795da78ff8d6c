"""One series against its fellows, and against its own past."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.answers import ANSWERS
from detectors.banks.apart import ApartBank
from detectors.banks.base import Floats

ROWS = np.arange(4)
FELLOWS = [[0.02, 1.0], [0.0, 1.0], [0.01, 1.0]]


def pool(**options: object) -> ApartBank:
    bank = ApartBank(**{"half_life_s": 20.0, "evidence": 10.0} | options)  # type: ignore[arg-type]
    for row in ROWS:
        bank.admit(int(row), {"cluster": "local", "pool": "codex", "replica": f"codex-{row}"})
    return bank


def score_of(last: list[float], fellows: list[list[float]] = FELLOWS, **options: object) -> float:
    rows = ROWS[4 - len(fellows) - 1 :]
    return float(pool(**options).score(rows, np.array([*fellows, last]))[-1])


@pytest.mark.parametrize(
    ("last", "beyond"),
    [
        pytest.param([0.9, 1.0], True, id="most-are-bad"),
        pytest.param([0.1, 0.11], False, id="but-three-are-not-enough"),
        pytest.param([0.04, 1.0], False, id="as-many-as-chance-has"),
        pytest.param([0.25, 1.0], False, id="sure-and-not-far-enough"),
        pytest.param([0.0, 0.0], False, id="silent"),
    ],
)
def test_shares(last: list[float], beyond: bool) -> None:
    assert (score_of(last) >= 1) is beyond


def test_what_clients_ask_of_all_sets_nobody_apart() -> None:
    assert score_of([0.85, 1.0], [[0.8, 1.0], [0.9, 1.0], [0.85, 1.0]]) < 0.1


def test_alone_it_is_as_its_fellows() -> None:
    assert score_of([0.9, 1.0], []) == 0


@pytest.mark.parametrize(
    ("last", "beyond"),
    [
        pytest.param([40.0, 1.0], True, id="shorter"),
        pytest.param([1_200.0, 1.0], True, id="longer"),
        pytest.param([180.0, 1.0], False, id="alike"),
        pytest.param([0.0, 0.05], False, id="two-empty-ones"),
    ],
)
def test_means(last: list[float], beyond: bool) -> None:
    fellows = [[200.0, 1.0], [220.0, 1.1], [190.0, 0.9]]
    assert (score_of(last, fellows, of="mean", least=0.7) >= 1) is beyond


@pytest.mark.parametrize(
    ("prompts", "beyond"),
    [
        pytest.param(1_000.0, True, id="the-same-work"),
        pytest.param(1_250.0, True, id="hardly-another"),
        pytest.param(2_500.0, False, id="longer-prompts"),
        pytest.param(300.0, False, id="shorter-prompts"),
        pytest.param(0.0, True, id="nobody-tells-of-prompts"),
    ],
)
def test_who_was_given_other_work_is_compared_with_nobody(prompts: float, beyond: bool) -> None:
    fellows = [[200.0, 1.0], [220.0, 1.1], [190.0, 0.9]]
    given = [[part, of, (1_000.0 if prompts else 0.0) * of] for part, of in fellows]

    assert (score_of([40.0, 1.0, prompts], given, of="mean", least=0.7) >= 1) is beyond


def test_few_requests_are_no_proof_of_other_work() -> None:
    given = [[0.02, 1.0, 900.0], [0.0, 1.0, 1_100.0], [0.01, 1.0, 1_000.0]]

    assert score_of([0.15, 0.15, 300.0], given, evidence=2.0) >= 1


def test_one_odd_fellow_does_not_make_the_others_odd() -> None:
    values = np.array([[200.0, 1.0], [220.0, 1.1], [190.0, 0.9], [20.0, 2.0]])
    scores = pool(of="mean", least=0.7).score(ROWS, values)
    assert (scores >= 1).tolist() == [False, False, False, True]


def test_the_past_is_a_yardstick_too() -> None:
    bank = pool(past_s=600.0)
    for _ in range(300):
        bank.learn(ROWS[:1], np.array([[0.02, 1.0]]))
    now = np.array([[0.9, 1.0]])
    assert bank.score(ROWS[:1], now)[0] >= 1
    for _ in range(3_000):
        bank.learn(ROWS[:1], now)
    assert bank.score(ROWS[:1], now)[0] < 0.1


def _values() -> st.SearchStrategy[Floats]:
    rate = st.floats(0, 5, width=32)
    pair = st.tuples(rate, rate).map(lambda two: (min(two), max(two)))
    return st.lists(pair, min_size=4, max_size=4).map(lambda rows: np.array(rows, np.float64))


@settings(deadline=None, derandomize=True)
@given(_values(), st.sampled_from(["share", "mean"]))
def test_what_is_beyond_lies_outside_the_band_and_nothing_else(values: Floats, of: str) -> None:
    reading = pool(of=of, evidence=2.0, least=0.2).explain(ROWS, values)
    outside = (values[:, 0] > reading.upper * (1 - 1e-6)) | (
        values[:, 0] < reading.lower * (1 + 1e-6)
    )
    assert np.array_equal(reading.score >= 1, outside)


def test_what_is_smoothed_and_what_the_bank_takes_it_for_agree() -> None:
    apart = [one for one in ANSWERS if one.kind == "apart"]
    assert apart
    assert all(one.smooth_s == one.options["half_life_s"] for one in apart)
