"""What several series have seen as one: the same as if one had seen it all, within a bound."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.banks.cusum import CusumBank
from detectors.banks.ewma import EwmaBank
from detectors.banks.flat_line import FlatLineBank
from detectors.banks.mahalanobis import MahalanobisBank
from detectors.banks.neighbours import NeighboursBank
from detectors.banks.robust import SIZE, RobustBank
from detectors.banks.seasonal import SeasonalBank
from detectors.banks.silence import SilenceBank
from detectors.calibrate import Calibration

ONE = np.zeros(1, np.int64)
SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 100)
few = settings(max_examples=12, deadline=None)


def drawn(seed: int, size: int) -> np.ndarray:
    """So many values at a level and with a spread of their own."""
    rng = np.random.default_rng(seed)
    values: np.ndarray = rng.normal(rng.normal(50, 20), rng.uniform(0.1, 10), size)
    return values


def taught(bank: Any, row: int, values: np.ndarray) -> Any:
    bank.admit(row, {"pool": "codex"})
    for value in values:
        bank.learn(np.array([row]), value[None])
    return bank


@few
@given(SEEDS, SIZES, SIZES)
def test_moments_are_those_of_all_values(seed: int, here: int, there: int) -> None:
    a, b = drawn(seed, here), drawn(seed + 1, there)
    forever = {"half_life_s": 1e9}
    merged = EwmaBank().merged(taught(taught(EwmaBank(**forever), 0, a), 1, b).state)
    of_one = taught(EwmaBank(**forever), 0, np.concatenate([a, b])).state
    assert merged.seen[0] == here + there
    assert np.isclose(merged.mean[0], of_one.mean[0])
    assert np.isclose(merged.variance[0], of_one.variance[0])


@few
@given(SEEDS, SIZES, SIZES)
def test_of_an_hour_as_well(seed: int, here: int, there: int) -> None:
    a, b = (
        np.column_stack([one, np.full(len(one), 1_800.0)])
        for one in (drawn(seed, here), drawn(seed + 1, there))
    )
    forever = {"half_life": 1e9}
    merged = SeasonalBank().merged(taught(taught(SeasonalBank(**forever), 0, a), 1, b).state)
    values = np.concatenate([a, b])[:, 0]
    assert np.isclose(merged.mean[0, 0], values.mean())
    assert merged.weight[0, 0] == here + there
    assert merged.visits[0, 0] == 1


@few
@given(SEEDS, st.integers(0, 100), st.integers(0, 100))
def test_a_median_is_off_by_less_than_a_rank(seed: int, here: int, there: int) -> None:
    a, b = drawn(seed, here), drawn(seed + 1, there)
    bank = RobustBank(span_s=1)
    state = bank.merged(taught(taught(bank, 0, a), 1, b).state)
    remembered = np.sort(np.concatenate([a[-SIZE:], b[-SIZE:]]))
    assert state.taken[0] == min(remembered.size, SIZE)
    if remembered.size >= SIZE:
        ranks = np.searchsorted(remembered, state.median[0]) / remembered.size
        assert abs(ranks - 0.5) <= 1 / SIZE


@few
@given(SEEDS, st.integers(20, 200), st.integers(20, 200))
def test_a_reservoir_has_of_each_its_share(seed: int, here: int, there: int) -> None:
    bank = NeighboursBank(size=64)
    state = bank.merged(taught(taught(bank, 0, drawn(seed, here)), 1, drawn(seed + 1, there)).state)
    theirs = [{tuple(point) for point in one.T} for one in bank.state.points[:2]]
    share = np.mean([tuple(point) in theirs[0] for point in state.points[0].T])
    assert state.taken[0] == here + there
    # Points before a series has a spread are all the same, those of both.
    assert share >= here / (here + there) - 1 / 64


@few
@given(SEEDS, st.integers(30, 100), st.integers(30, 100))
def test_a_covariance_is_the_mean_over_all_points(seed: int, here: int, there: int) -> None:
    bank = MahalanobisBank(memory=1e9)
    rng = np.random.default_rng(seed)
    for row, size in enumerate((here, there)):
        taught(bank, row, rng.normal(10, 1, (size, 2)))
    merged = bank.merged(bank.state)
    a, b = bank.state.covariance[:2]
    assert np.allclose(merged.covariance[0], (here * a + there * b) / (here + there))


@few
@given(SEEDS, st.integers(0, 30), st.integers(0, 30))
def test_of_pauses_it_is_the_longest(seed: int, here: int, there: int) -> None:
    bank = FlatLineBank(least_s=1e6)
    for row, stood in enumerate((here, there)):
        taught(bank, row, np.array([1.0, *[2.0] * (stood + 1), 3.0 + seed % 7]))
    merged = bank.merged(bank.state)
    assert np.isclose(merged.pauses.usual[0], max(here, there), rtol=0.02)
    bank.admit(2, {"pool": "codex"})
    bank.inherit(2, merged)
    assert bank.state.pauses.usual[2] == merged.pauses.usual[0]
    assert bank.state.pauses.seen[2] == 0


def test_a_rhythm_is_known_before_the_second_reading() -> None:
    bank = SilenceBank(least_s=10, enough=1)
    taught(bank, 0, np.array([0.0, *([10.0, 20.0, 0.0] * 5)]))
    kin = bank.merged(bank.state)
    rows = np.array([1, 2])
    for row in rows.tolist():
        bank.admit(row, {"pool": "codex"})
    bank.inherit(1, kin)
    bank.learn(rows, np.zeros(2))
    assert bank.score(rows, np.array([25.0, 0.0]))[0] < 1
    assert bank.score(rows, np.array([0.0, 25.0]))[1] > 1


def test_a_replica_of_a_noisy_pool_is_taken_to_be_noisy() -> None:
    bank, rng = CusumBank(), np.random.default_rng(5)
    rows = np.arange(4)
    for row in rows:
        bank.admit(int(row), {"pool": "codex"})
    for _ in range(200):
        bank.learn(rows, rng.lognormal(-2, 0.5, 4))
    bank.admit(4, {"pool": "codex"})
    bank.inherit(4, bank.merged(bank.state))
    usual = bank.state.variance[:4]
    assert usual.min() <= bank.state.variance[4] <= usual.max()


@few
@given(SEEDS, SIZES, SIZES)
def test_tails_are_those_of_all_scores(seed: int, here: int, there: int) -> None:
    scores = np.abs(np.concatenate([drawn(seed, here), drawn(seed + 1, there)])) / 60
    calibration, of_one = (Calibration(members=1, half_life_s=1e9) for _ in range(2))
    for place, score in enumerate(scores):
        cell = np.array([int(place >= here)]), ONE
        calibration.learn(cell, score[None], np.ones(1))
        of_one.learn((ONE, ONE), score[None], np.ones(1))
    merged = calibration.merged(calibration.state)
    for name in ("seen", "share", "tail", "excess"):
        assert np.allclose(getattr(merged, name)[0], getattr(of_one.state, name)[0])
