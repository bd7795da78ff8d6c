"""What every bank keeps to, run over the table."""

import copy
from dataclasses import fields, is_dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest

import detectors.banks
from detectors.banks import BANKS
from detectors.banks.base import Bank, Mergeable, Reading, picked, stacked
from detectors.banks.neighbours import NeighboursBank
from detectors.banks.robust import RobustBank
from streams.errors import InvalidParameterError, SnapshotError
from streams.packing import pack, unpack

ROWS = np.arange(3)
NOISE = list(np.random.default_rng(7).normal([1.0, 20.0, 300.0], [0.1, 2.0, 30.0], (120, 3)))
MINUTES = [*NOISE, *(2 * values for values in NOISE)]
ALIKE = list(np.random.default_rng(8).normal(20.0, 2.0, (200, 3)))
SAMPLES = (NeighboursBank, RobustBank)
PROBE = np.array([5.0, 90.0, 2000.0])
BANDLESS = {"ensemble", "flat_line", "mahalanobis", "neighbours", "unrest"}
"""All but one judge all values of a series together: each value's part is told instead of a band.
Of a value that stands still any other would do."""
LOOSE = {"river"}
"""Its trees know no distance: the band comes from recent quantiles."""


def labels(row: np.int64 | int) -> dict[str, str]:
    """Each row in a pool of its own: what fellows have to say is tested with the bank for it."""
    return {"cluster": "local", "pool": f"pool-{row}", "replica": f"replica-{row}"}


@pytest.fixture(params=BANKS)
def bank(request: pytest.FixtureRequest) -> Bank:
    bank = BANKS[request.param]()
    for row in ROWS:
        bank.admit(int(row), labels(row))
    return bank


def taught(bank: Bank) -> Bank:
    for values in NOISE:
        bank.learn(ROWS, values)
    return bank


def test_table_and_folder_agree() -> None:
    folder = Path(detectors.banks.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "base"}
    assert set(BANKS) == files
    assert list(BANKS) == sorted(BANKS)


def test_scores_are_finite_and_not_negative(bank: Bank) -> None:
    for values in [*NOISE, np.full(3, -1e12), np.full(3, 1e12)]:
        scores = bank.score(ROWS, values)
        assert np.all(np.isfinite(scores) & (scores >= 0))
        bank.learn(ROWS, values)


def test_a_series_does_not_feel_its_neighbours(bank: Bank) -> None:
    alone, together = copy.deepcopy(bank), bank
    for values in NOISE:
        alone.learn(ROWS[:1], values[:1])
        together.learn(ROWS, values)
    assert alone.score(ROWS[:1], PROBE[:1]) == together.score(ROWS, PROBE)[:1]


def test_scoring_changes_nothing(bank: Bank) -> None:
    taught(bank)
    before = bank.score(ROWS, PROBE)
    bank.score(ROWS, -PROBE)
    bank.explain(ROWS, -PROBE)
    bank.score(np.array([40]), PROBE[:1])
    assert np.array_equal(bank.score(ROWS, PROBE), before)


def test_the_explanation_has_the_score_and_a_band_around_what_is_expected(bank: Bank) -> None:
    reading = taught(bank).explain(ROWS, PROBE)
    assert np.array_equal(reading.score, bank.score(ROWS, PROBE))
    assert np.all(reading.lower <= reading.upper)
    assert np.all((reading.column >= 0) & (reading.column < 1))
    assert reading.above.dtype == np.bool_


@pytest.mark.parametrize("shifted", [0, 12])
@pytest.mark.parametrize("kind", sorted(set(BANKS) - BANDLESS - LOOSE))
def test_a_score_is_below_1_just_where_the_value_is_inside_the_band(
    kind: str, shifted: int
) -> None:
    bank = BANKS[kind]()
    for row in ROWS:
        bank.admit(int(row), labels(row // 2))
    for values in [*NOISE, *(1.5 * values for values in NOISE[:shifted])]:
        bank.learn(ROWS, values)
    for times in np.linspace(0.01, 8, 100):
        values = times * np.array([1.0, 20.0, 300.0])
        reading = bank.explain(ROWS, values)
        inside = (reading.lower < values) & (values < reading.upper)
        assert np.array_equal(reading.score < 1, inside)


def test_the_same_values_give_the_same_scores(bank: Bank) -> None:
    twin = copy.deepcopy(bank)
    assert np.array_equal(taught(bank).score(ROWS, PROBE), taught(twin).score(ROWS, PROBE))


def test_a_row_that_is_given_away_forgets(bank: Bank) -> None:
    fresh = copy.deepcopy(bank)
    taught(bank)
    for row in ROWS:
        bank.admit(int(row), labels(row + 10))
        fresh.admit(int(row), labels(row + 10))
    assert np.array_equal(bank.score(ROWS, PROBE), fresh.score(ROWS, PROBE))


def test_rows_may_come_in_any_order_and_number(bank: Bank) -> None:
    taught(bank)
    turned = bank.score(ROWS[::-1], PROBE[::-1])
    assert np.array_equal(turned[::-1], bank.score(ROWS, PROBE))
    assert bank.score(ROWS[:0], PROBE[:0]).shape == (0,)
    assert bank.explain(ROWS[:0], PROBE[:0]).score.shape == (0,)


def test_a_weight_of_zero_leaves_what_is_expected(bank: Bank) -> None:
    taught(bank)
    before = bank.explain(ROWS, PROBE).expected
    for _ in range(20):
        bank.learn(ROWS, PROBE, 0.0)
    assert np.array_equal(bank.explain(ROWS, PROBE).expected, before)


@pytest.mark.slow
@pytest.mark.parametrize("windows", [0, 1, 59, 60, 61, 120, 179])
def test_a_bank_that_takes_up_the_state_of_another_goes_on_like_it(
    bank: Bank, windows: int
) -> None:
    past, future = MINUTES[:windows], MINUTES[windows:]
    for values in past:
        bank.learn(ROWS, values)
    other = type(bank)()

    other.state = unpack(pack(bank.state), type(bank.state))

    for values in future:
        assert_same_reading(bank.explain(ROWS, values), other.explain(ROWS, values))
        for each in (bank, other):
            each.learn(ROWS, values, np.array([1.0, 0.6, 0.2]))
    assert pack(other.state) == pack(bank.state)


def assert_same_reading(one: Reading, other: Reading) -> None:
    for field in fields(Reading):
        left, right = (getattr(reading, field.name) for reading in (one, other))
        if left is None:
            assert right is None
        else:
            assert np.array_equal(left, right, equal_nan=left.dtype.kind == "f")


def test_a_state_of_another_schema_is_refused(bank: Bank) -> None:
    kept = msgspec.msgpack.decode(pack(taught(bank).state))
    foreign = msgspec.msgpack.encode(kept | {"schema": 99})
    with pytest.raises(SnapshotError, match="schema"):
        unpack(foreign, type(bank.state))


def mergeable() -> list[str]:
    return [kind for kind, make in BANKS.items() if isinstance(make(), Mergeable)]


@pytest.fixture(params=mergeable())
def summed(request: pytest.FixtureRequest) -> Mergeable:
    """A bank whose state adds up, with three series that have seen the same kind of noise."""
    bank = BANKS[request.param]()
    for row in ROWS:
        bank.admit(int(row), labels(0))
    for values in (*ALIKE, *ALIKE):
        bank.learn(ROWS, values)
    assert isinstance(bank, Mergeable)
    return bank


def test_what_does_not_add_up_is_known() -> None:
    fixed = {"burn_rate", "fellows", "limit", "resets", "rise", "together"}
    models = {"ensemble", "isolation_forest", "river", "unrest"}
    not_yet = {"apart", "shift"}
    assert set(mergeable()) == BANKS.keys() - fixed - models - not_yet


def test_it_does_not_matter_in_which_order_or_groups_states_are_merged(summed: Mergeable) -> None:
    if isinstance(summed, SAMPLES):
        pytest.skip("a sample of a sample is another one (tests/detectors/test_merging.py)")
    rows = [picked(summed.state, ROWS[row : row + 1]) for row in range(3)]
    at_once = summed.merged(stacked(rows))
    assert_close(at_once, summed.merged(stacked(rows[::-1])))
    assert_close(at_once, summed.merged(stacked([summed.merged(stacked(rows[:2])), rows[2]])))


def test_what_is_merged_is_a_state_like_any(summed: Mergeable) -> None:
    merged = summed.merged(summed.state)
    assert pack(unpack(pack(merged), type(merged))) == pack(merged)


def test_to_merge_changes_nothing(summed: Mergeable) -> None:
    before = pack(summed.state)
    summed.merged(picked(summed.state, ROWS))
    assert pack(summed.state) == before


def test_a_newcomer_begins_where_its_kin_are_and_nobody_else_feels_it(summed: Mergeable) -> None:
    before = summed.explain(ROWS, ALIKE[0])
    kin = summed.merged(picked(summed.state, ROWS))
    newcomer = np.array([3])
    summed.admit(3, labels(0))
    summed.inherit(3, kin)
    assert_same_reading(summed.explain(ROWS, ALIKE[0]), before)
    assert np.all(summed.score(newcomer, ALIKE[0][:1]) < 1)


def test_kin_that_know_nothing_teach_nothing(summed: Mergeable) -> None:
    fresh = type(summed)()
    assert isinstance(fresh, Mergeable)
    for row in ROWS:
        fresh.admit(int(row), labels(0))
    before = fresh.explain(ROWS, ALIKE[0])
    fresh.inherit(0, fresh.merged(picked(fresh.state, ROWS[1:])))
    assert_same_reading(fresh.explain(ROWS, ALIKE[0]), before)


def assert_close(one: object, other: object) -> None:
    assert is_dataclass(one)
    for field in fields(one):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if is_dataclass(left):
            assert_close(left, right)
        elif isinstance(left, np.ndarray):
            assert np.allclose(left, right), field.name


WRONG: dict[str, tuple[dict[str, object], ...]] = {
    "apart": ({"of": "median"}, {"half_life_s": 0}, {"evidence": 0}, {"least": 0}, {"past_s": 1}),
    "burn_rate": ({"objective": 1}, {"pairs": []}),
    "cusum": ({"ratio": 1}, {"evidence": 0}, {"spread": 0}, {"floor": 0}),
    "ensemble": (
        {"memory_s": 0},
        {"fast_memory_s": 0},
        {"lasts_s": 0},
        {"false_alerts_per_day": 0},
        {"least": []},
    ),
    "ewma": ({"half_life_s": 0}, {"sigmas": 0}, {"floor": -1}),
    "fellows": ({"ratio": 1},),
    "flat_line": ({"least_s": 0}, {"times": 1}, {"half_life_s": 0}),
    "isolation_forest": ({"boundary": 2}, {"size": 3}, {"floors": []}),
    "limit": ({"limit": 0}, {"mask": -1}),
    "mahalanobis": ({"boundary": 0}, {"memory": 0}, {"ridge": 0}),
    "neighbours": ({"boundary": 0}, {"memory": 0}, {"size": 3}),
    "resets": ({"limit": 0}, {"over_s": 0}),
    "rise": ({"limit": 0}, {"over_s": -1}),
    "river": ({"boundary": 0}, {"floor": 0}, {"memory_s": 40_000}),
    "robust": ({"span_s": 0}, {"sigmas": 0}, {"floor": -1}),
    "seasonal": ({"sigmas": 0}, {"visits": 0}, {"half_life": 0}, {"floor": -1}),
    "shift": ({"shift": 0}, {"evidence": 0}, {"half_life_s": 0}, {"floor": -1}),
    "silence": ({"least_s": 0}, {"times": 1}, {"half_life_s": 0}),
    "together": ({"several": 1}, {"limit": 0}),
    "unrest": ({"boundary": 0}, {"half_life": 0}, {"memory": 0}),
}


@pytest.mark.parametrize("kind", BANKS)
def test_a_parameter_outside_its_range_is_named(kind: str) -> None:
    for options in WRONG[kind]:
        (name,) = options
        with pytest.raises(InvalidParameterError, match=name):
            BANKS[kind](**options)
