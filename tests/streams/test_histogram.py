import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.windows.histogram import (
    BUCKETS,
    RELATIVE_ERROR,
    VALUE_LIMIT,
    bucket_of,
    counted,
    merged,
    quantile,
)

values = st.lists(st.integers(0, VALUE_LIMIT - 1), min_size=1, max_size=40)


def of(numbers: list[int]) -> np.ndarray:
    return np.array(numbers, np.int64)


@given(values, st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))
@settings(max_examples=60, deadline=None)
def test_a_quantile_is_within_one_percent(numbers: list[int], q: float) -> None:
    histogram = counted(np.zeros(len(numbers), np.int64), of(numbers))

    found = quantile(histogram, 1, q)[0]

    true = np.quantile(numbers, q, method="lower")
    assert abs(found - true) <= (RELATIVE_ERROR + 1e-12) * true


@given(values, values)
@settings(max_examples=30, deadline=None)
def test_merging_is_counting_all_at_once(left: list[int], right: list[int]) -> None:
    parts = [counted(np.zeros(len(n), np.int64), of(n)) for n in (left, right)]

    both = merged(
        *(np.concatenate([getattr(p, f) for p in parts]) for f in ("row", "bucket", "count"))
    )

    whole = counted(np.zeros(len(left + right), np.int64), of(left + right))
    assert both.bucket.tolist() == whole.bucket.tolist()
    assert both.count.tolist() == whole.count.tolist()


def test_each_row_has_a_histogram_of_its_own() -> None:
    histogram = counted(of([2, 0, 2, 2]), of([300, 7, 100, 200]))

    medians = quantile(histogram, 4, 0.5)

    assert medians == pytest.approx([7, np.nan, 200, np.nan], rel=0.01, nan_ok=True)


def test_without_values_there_is_no_quantile() -> None:
    assert np.isnan(quantile(counted(of([]), of([])), 2, 0.5)).all()


@pytest.mark.parametrize(
    ("value", "bucket"),
    [
        pytest.param(-3, 0, id="below-zero-counts-as-zero"),
        pytest.param(0, 0, id="zero-has-a-bucket-of-its-own"),
        pytest.param(1, 1, id="the-smallest-step"),
        pytest.param(VALUE_LIMIT, BUCKETS - 1, id="the-largest"),
        pytest.param(VALUE_LIMIT * 4, BUCKETS - 1, id="beyond-the-largest"),
    ],
)
def test_the_ends_of_the_scale(value: int, bucket: int) -> None:
    assert bucket_of(of([value])).tolist() == [bucket]


def test_buckets_never_fall_as_values_rise() -> None:
    spread = np.unique(np.geomspace(1, VALUE_LIMIT - 1, 5_000).astype(np.int64))

    assert np.all(np.diff(bucket_of(spread)) >= 0)
