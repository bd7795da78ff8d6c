"""What each bank finds beyond the contract that they all keep (tests/conformance)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from river import anomaly

from detectors.banks.base import bounded, cleared, grown
from detectors.banks.cusum import CusumBank
from detectors.banks.ewma import EwmaBank, EwmaState
from detectors.banks.isolation_forest import MAX_GROUPS, IsolationForestBank
from detectors.banks.limit import LimitBank
from detectors.banks.resets import ResetsBank
from detectors.banks.rise import RiseBank
from detectors.banks.river import HEIGHT, NODES, TREES, HalfSpaceTrees, RiverBank
from detectors.fellows import median_of_others

ROW = np.array([0])


def one(value: float) -> np.ndarray:
    return np.array([value])


def state(rows: int) -> EwmaState:
    return EwmaState(*(np.arange(rows, dtype=np.float64) + 1 for _ in range(3)))


def test_grown_keeps_what_was_there_and_adds_zeros() -> None:
    longer = grown(state(3), np.array([20]))
    assert longer.mean[:3].tolist() == [1, 2, 3]
    assert longer.mean.size > 20
    assert not longer.mean[3:].any()


def test_grown_is_the_state_itself_when_it_reaches() -> None:
    before = state(3)
    assert grown(before, np.array([2])) is before
    assert grown(before, np.zeros(0, np.int64)) is before


def test_cleared_forgets_one_row_only() -> None:
    assert cleared(state(3), 1).mean.tolist() == [1, 0, 3]


def test_bounded_scores_are_finite_and_not_negative() -> None:
    assert bounded(np.array([np.nan, np.inf, -1.0, 0.5])).tolist() == [0, 1e6, 0, 0.5]


class TestLimit:
    @pytest.mark.parametrize(
        ("value", "score"),
        [
            pytest.param(0.0, 0.0, id="normal"),
            pytest.param(2.0, 0.5, id="half-way"),
            pytest.param(4.0, 1.0, id="at-the-limit"),
            pytest.param(-3.0, 0.0, id="the-other-side-is-fine"),
        ],
    )
    def test_score_is_the_share_of_the_way_to_the_limit(self, value: float, score: float) -> None:
        assert LimitBank(limit=4).score(ROW, one(value)) == score

    def test_a_limit_below_normal_catches_what_falls(self) -> None:
        reading = LimitBank(limit=0.5, normal=1).explain(ROW, one(0.0))
        assert [reading.score[0], reading.lower[0], reading.upper[0]] == [2, 0.5, np.inf]
        assert not reading.above

    def test_only_bits_of_the_mask_count(self) -> None:
        bank = LimitBank(limit=1, mask=0x48)
        assert [float(bank.score(ROW, one(bits))[0]) for bits in (0x04, 0x08, 0x44)] == [0, 1, 1]

    def test_what_never_ran_cannot_have_failed(self) -> None:
        bank = LimitBank(limit=0.5, normal=1, armed=1)
        bank.learn(ROW, one(0.0))
        assert bank.score(ROW, one(0.0)) == 0
        bank.learn(ROW, one(1.0))
        assert bank.score(ROW, one(0.0)) == 2


class TestRise:
    def test_growth_counts_from_the_lowest_value_of_the_span(self) -> None:
        bank = RiseBank(limit=100, over_s=16)
        for value in (500.0, 400.0, 450.0):
            bank.learn(ROW, one(value))
        reading = bank.explain(ROW, one(500.0))
        assert [reading.expected[0], reading.upper[0], reading.score[0]] == [400, 500, 1]

    def test_growth_before_the_span_is_forgotten(self) -> None:
        bank = RiseBank(limit=100, over_s=16)
        for value in [0.0] * 4 + [1000.0] * 20:
            bank.learn(ROW, one(value))
        assert bank.score(ROW, one(1000.0)) == 0

    def test_a_process_that_loads_is_not_looked_at(self) -> None:
        bank = RiseBank(limit=100, over_s=16, warmup_s=5)
        for value in (0.0, 200.0, 900.0, 1000.0, 1000.0):
            assert bank.score(ROW, one(value)) == 0
            bank.learn(ROW, one(value))
        bank.learn(ROW, one(1000.0))
        assert bank.score(ROW, one(1100.0)) == 1


class TestResets:
    def test_resets_of_the_span_add_up_and_older_ones_are_forgotten(self) -> None:
        bank = ResetsBank(limit=3, over_s=80)
        for restarts in [1.0, *[0.0] * 30, 1.0, *[0.0] * 45]:
            bank.learn(ROW, one(restarts))
        assert bank.score(ROW, one(1.0)) == 1
        for _ in range(20):
            bank.learn(ROW, one(0.0))
        assert bank.score(ROW, one(1.0)) == pytest.approx(2 / 3)

    def test_a_window_of_ten_seconds_counts_as_often(self) -> None:
        bank = ResetsBank(limit=2, step_s=10)
        bank.learn(ROW, one(0.1))
        assert bank.score(ROW, one(0.1)) == 1


class TestEwma:
    def taught(self) -> EwmaBank:
        bank = EwmaBank(half_life_s=20, sigmas=4, warmup_s=10)
        for value in [0.20, 0.22] * 30:
            bank.learn(ROW, one(value))
        return bank

    def test_a_young_series_scores_nothing(self) -> None:
        bank = EwmaBank(warmup_s=30)
        for value in [1.0, 2.0] * 14:
            bank.learn(ROW, one(value))
        assert bank.score(ROW, one(50.0)) == 0

    def test_the_band_is_where_the_score_is_one(self) -> None:
        bank = self.taught()
        band = bank.explain(ROW, one(0.3))
        assert bank.score(ROW, band.upper) == pytest.approx(1)
        assert bank.score(ROW, band.lower) == pytest.approx(1)

    def test_a_series_that_never_moved_needs_a_floor_to_score(self) -> None:
        still, floored = EwmaBank(warmup_s=2), EwmaBank(warmup_s=2, sigmas=4, floor=0.5)
        for bank in (still, floored):
            for _ in range(5):
                bank.learn(ROW, one(7.0))
        assert still.score(ROW, one(9.0)) == 0
        assert floored.score(ROW, one(9.0)) == 1

    def test_recent_values_count_more(self) -> None:
        bank = self.taught()
        for _ in range(100):
            bank.learn(ROW, one(0.5))
        assert bank.explain(ROW, one(0.5)).expected == pytest.approx(0.49, abs=0.01)


class TestRiver:
    def test_a_value_far_from_a_steady_past_scores_and_the_past_does_not(self) -> None:
        rng, bank = np.random.default_rng(3), RiverBank(memory_s=60, warmup_s=60)
        for value in rng.normal(1.0, 0.05, 300):
            bank.learn(ROW, one(value))
        assert bank.score(ROW, one(9.0)) > 1
        assert bank.score(ROW, one(1.0)) < 1

    def test_the_band_comes_from_recent_quantiles(self) -> None:
        bank = RiverBank(memory_s=60)
        for value in np.linspace(0, 100, 101):
            bank.learn(ROW, one(value))
        reading = bank.explain(ROW, one(100.0))
        assert 40 < reading.lower < 50 < reading.expected < 80 < reading.upper < 100

    @pytest.mark.parametrize("memory", [8, 60, 100])
    def test_the_trees_score_as_rivers_own_do(self, memory: int) -> None:
        rng, seed = np.random.default_rng(4), 7
        ours, masses = HalfSpaceTrees(memory=memory, seed=seed), np.zeros((1, TREES, NODES))
        theirs: Any = anomaly.HalfSpaceTrees(TREES, HEIGHT, window_size=memory, seed=seed)
        reference = masses.astype(np.int16)
        for count, x in enumerate(rng.beta(2, 5, 5 * memory), 1):
            if count > memory:
                assert ours.scores(reference, one(x))[0] == theirs.score_one({"x": x})
            theirs.learn_one({"x": x})
            masses[0, np.arange(TREES)[:, None], ours.paths(one(x))[0]] += 1
            if count % memory == 0:
                reference, masses = masses.astype(np.int16), np.zeros_like(masses)


class TestIsolationForest:
    ROWS = np.arange(2)

    def taught(self, windows: int = 120) -> IsolationForestBank:
        rng, bank = np.random.default_rng(5), IsolationForestBank(refit_s=30, size=128)
        for row in self.ROWS.tolist():
            bank.admit(row, {"cluster": "local", "pool": "a"})
        for _ in range(windows):
            bank.learn(self.ROWS, rng.normal([[10, 100], [20, 200]], [[1, 5], [1, 5]]))
        return bank

    def test_it_names_the_value_that_lies_farthest_out(self) -> None:
        strange = np.array([[13.0, 180.0], [40.0, 215.0]])
        reading = self.taught().explain(self.ROWS, strange)
        assert np.all(reading.score > 1)
        assert reading.column.tolist() == [1, 0]
        assert reading.expected == pytest.approx([100, 20], abs=2)
        assert np.all(strange[self.ROWS, reading.column] > reading.upper)

    def test_what_is_usual_scores_below_one(self) -> None:
        usual = np.array([[11.0, 104.0], [19.0, 196.0]])
        assert np.all(self.taught().score(self.ROWS, usual) < 0.6)

    def test_without_a_forest_it_says_nothing(self) -> None:
        assert not self.taught(windows=10).score(self.ROWS, np.full((2, 2), 1e6)).any()

    def test_strange_points_are_not_grown_into_the_next_forest(self) -> None:
        bank = self.taught()
        points = next(iter(bank.state.rings.values())).learned
        bank.learn(self.ROWS, np.full((2, 2), 1e6), np.array([0.05, 0.05]))
        assert next(iter(bank.state.rings.values())).learned == points

    def test_groups_are_bounded(self) -> None:
        bank = IsolationForestBank()
        for row in range(MAX_GROUPS + 5):
            bank.admit(row, {"pool": f"pool-{row}"})
            bank.learn(np.array([row]), np.array([[1.0, 2.0]]))
        assert len(bank.state.rings) == MAX_GROUPS


class TestCusum:
    @staticmethod
    def bank(pools: str = "aa", *, floor: float = 1e-3) -> CusumBank:
        bank = CusumBank(floor=floor)
        for row, pool in enumerate(pools):
            bank.admit(row, {"cluster": "local", "pool": pool})
        return bank

    def scores(self, slow: Sequence[float], *, floor: float = 1e-3) -> list[float]:
        """Of the second replica of a pool, after 20 windows in which both showed 1."""
        bank, rows, found = self.bank(floor=floor), np.arange(2), list[float]()
        for value in (*[1.0] * 20, *slow):
            values = np.array([1.0, value])
            found.append(float(bank.score(rows, values)[1]))
            bank.learn(rows, values)
        return found[20:]

    def test_a_little_slower_for_long_is_found(self) -> None:
        assert self.scores([1.6] * 8)[-1] > 1

    def test_a_single_stall_is_not(self) -> None:
        assert max(self.scores([2.0, 100.0, 1, 1])) < 1

    def test_a_bit_slower_than_its_fellows_is_no_evidence(self) -> None:
        assert max(self.scores([1.4] * 60)) < 0.1

    def test_who_was_slow_for_long_is_well_soon_after(self) -> None:
        assert self.scores([9.0] * 600 + [1.0] * 5)[-1] < 1

    def test_a_restless_series_needs_more(self) -> None:
        restless = [0.5, 2.0] * 60
        assert self.scores(restless + [1.6] * 8)[-1] < self.scores([1.6] * 8)[-1]

    def test_tiny_values_differ_by_accident(self) -> None:
        assert max(self.scores([9.0] * 20, floor=10)) == 0

    def test_other_pools_are_no_fellows(self) -> None:
        bank, rows = self.bank("ab"), np.arange(2)
        for _ in range(30):
            bank.learn(rows, np.array([0.1, 9.0]))
        assert bank.score(rows, np.array([0.1, 9.0])).tolist() == [0, 0]

    def test_a_newcomer_is_no_yardstick_yet(self) -> None:
        bank = self.bank()
        for _ in range(20):
            bank.learn(ROW, one(9.0))
        bank.learn(np.arange(2), np.array([9.0, 0.1]))
        assert bank.explain(ROW, one(9.0)).expected == 9

    def test_a_fellow_that_was_heard_a_moment_ago_will_do(self) -> None:
        bank, rows = self.bank(), np.arange(2)
        for _ in range(20):
            bank.learn(rows, np.array([1.0, 1.0]))
        alone = rows[1:]
        for _ in range(8):
            bank.learn(alone, one(2.0))
        assert bank.explain(alone, one(2.0)).expected == pytest.approx(1)
        for _ in range(60):
            bank.learn(alone, one(2.0))
        assert bank.explain(alone, one(2.0)).expected == 2

    def test_its_band_is_where_the_window_would_be_enough(self) -> None:
        bank, rows = self.bank(), np.arange(2)
        for value in (*[1.0] * 20, *[1.6] * 4):
            bank.learn(rows, np.array([1.0, value]))
        upper = bank.explain(rows, np.array([1.0, 1.6])).upper[1]
        assert bank.score(rows, np.array([1.0, upper]))[1] == pytest.approx(1)


@pytest.mark.parametrize("size", [0, 1, 2, 7, 60])
def test_the_median_is_of_the_others_that_count(size: int) -> None:
    rng = np.random.default_rng(size)
    values, group = rng.integers(0, 9, size) / 4, rng.integers(-2, 3, size)
    counts = rng.random(size) < 0.7
    others = [(group == group[i]) & counts & (np.arange(size) != i) for i in range(size)]
    plain = [np.median(values[one]) if one.any() else np.nan for one in others]
    assert np.array_equal(median_of_others(values, group, counts), plain, equal_nan=True)
