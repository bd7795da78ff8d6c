"""What the bank on a level that moved finds beyond the contract (tests/conformance)."""

import numpy as np

from detectors.banks.shift import ShiftBank

ROW = np.array([0])
CALM = np.random.default_rng(3).normal(1.0, 0.05, 600).tolist()


def scores(bank: ShiftBank, values: list[float], weight: float = 1.0) -> list[float]:
    found = []
    for value in values:
        found.append(float(bank.score(ROW, np.array([value]))[0]))
        bank.learn(ROW, np.array([value]), weight)
    return found


def test_a_series_without_fellows_that_moves_by_two_spreads_is_found_within_half_a_minute() -> None:
    bank = ShiftBank()
    before = scores(bank, CALM)
    after = scores(bank, [value + 0.1 for value in CALM[:30]])
    assert max(before) < 1 <= max(after)


def test_a_level_that_falls_is_found_too_and_said_to_be_below() -> None:
    bank = ShiftBank()
    scores(bank, CALM)
    scores(bank, [0.8] * 10)
    reading = bank.explain(ROW, np.array([0.8]))
    assert reading.score[0] >= 1
    assert not reading.above[0]


def test_one_outlier_is_no_shift() -> None:
    bank = ShiftBank()
    scores(bank, CALM)
    assert max(scores(bank, [50.0, *CALM[:60]])) < 1


def test_what_lasts_becomes_usual() -> None:
    bank = ShiftBank(half_life_s=60)
    scores(bank, CALM)
    assert scores(bank, [value + 0.5 for value in CALM])[-1] < 1


def test_what_may_not_be_learned_is_evidence_all_the_same() -> None:
    bank = ShiftBank()
    scores(bank, CALM)
    assert max(scores(bank, [1.2] * 20, weight=0.0)) > 1


def test_a_series_that_is_well_again_says_so_within_seconds() -> None:
    bank = ShiftBank()
    scores(bank, CALM)
    scores(bank, [1.5] * 60, weight=0.0)
    assert max(scores(bank, CALM[:60])[20:]) < 1
