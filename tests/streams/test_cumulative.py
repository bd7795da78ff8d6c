"""Buckets of engines, and the values that are made of them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.sources.cumulative import Cumulative, placed, since
from streams.windows.histogram import RELATIVE_ERROR, bucket_of, merged, quantile

EDGES = (0.1, 0.25, 0.5, 1.0, 2.5, math.inf)
MICRO = 1_000_000


def page(*counts: float, total: float = 0.0, edges: tuple[float, ...] = EDGES) -> Cumulative:
    return Cumulative(edges, np.array(counts), total)


def scraped(values: list[float]) -> Cumulative:
    counts = [float(sum(value <= edge for value in values)) for edge in EDGES]
    return page(*counts, total=sum(values))


NOTHING = page(0, 0, 0, 0, 0, 0)
latencies = st.lists(st.floats(0.000_01, 2.5), min_size=1, max_size=200)


@given(latencies)
@settings(max_examples=100, deadline=None)
def test_each_bucket_keeps_its_count_and_all_keep_their_sum(values: list[float]) -> None:
    counts, total = since(NOTHING, scraped(values))

    found, times = placed(EDGES, counts, total)

    again = np.histogram(found, [0, *EDGES[:-1]], weights=times)[0]
    assert again.tolist() == counts[:-1].tolist()
    share = (total - np.array([0, *EDGES[:4]]) @ counts[:-1]) / (
        np.diff([0, *EDGES[:-1]]) @ counts[:-1]
    )
    if 0.02 < share < 0.98:
        assert found @ times == pytest.approx(total)


@given(latencies, st.sampled_from([0.5, 0.95, 0.99]))
@settings(max_examples=100, deadline=None)
def test_a_quantile_is_off_by_less_than_its_bucket(values: list[float], q: float) -> None:
    found, times = placed(EDGES, *since(NOTHING, scraped(values)))
    fixed = np.rint(found * MICRO).astype(np.int64)
    histogram = merged(np.zeros(fixed.size, np.int64), bucket_of(fixed), times)

    got = quantile(histogram, 1, q)[0] / MICRO

    true = float(np.quantile(values, q, method="lower"))
    at = int(np.searchsorted(EDGES, true))
    low, high = (EDGES[at - 1] if at else 0.0), EDGES[at]
    assert low * (1 - RELATIVE_ERROR) - 1e-6 <= got <= high * (1 + RELATIVE_ERROR) + 1e-6


def test_a_single_value_is_known_exactly() -> None:
    assert placed(EDGES, np.array([0, 1, 0, 0, 0, 0]), 0.21)[0].tolist() == pytest.approx([0.21])


def test_beyond_the_last_edge_the_sum_says_where() -> None:
    values, times = placed(EDGES, np.array([0, 0, 0, 0, 0, 2]), 60.0)

    assert (values.tolist(), times.tolist()) == ([30.0], [2])


@pytest.mark.parametrize(
    ("before", "now", "counts"),
    [
        pytest.param(None, page(1, 2, 3, 3, 3, 3), [0, 0, 0, 0, 0, 0], id="a-first-look"),
        pytest.param(
            page(1, 1, 1, 1, 1, 1), page(1, 2, 4, 4, 4, 4), [0, 1, 2, 0, 0, 0], id="what-came"
        ),
        pytest.param(
            page(5, 9, 9, 9, 9, 9), page(0, 2, 2, 2, 2, 2), [0, 2, 0, 0, 0, 0], id="a-reset"
        ),
        pytest.param(
            page(5, 5, edges=(1.0, math.inf)), NOTHING, [0, 0, 0, 0, 0, 0], id="other-buckets"
        ),
        pytest.param(
            NOTHING, page(3, 2, 3, 3, 3, 3), [3, 0, 1, 0, 0, 0], id="written-while-counting"
        ),
    ],
)
def test_what_came_between(before: Cumulative | None, now: Cumulative, counts: list[int]) -> None:
    assert since(before, now)[0].tolist() == counts


def test_with_the_buckets_of_an_engine_quantiles_come_out_within_a_few_percent() -> None:
    edges = (0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, math.inf)
    rng = np.random.default_rng(7)
    errors = []
    for median_s in rng.lognormal(-1.5, 0.5, 200):
        values = np.sort(rng.lognormal(np.log(median_s), 0.5, 400))
        counts = np.histogram(values, [0, *edges[:-1], 1e9])[0]
        found = np.sort(np.repeat(*placed(edges, counts, float(values.sum()))))
        errors.append([abs(found[at] / values[at] - 1) for at in (199, 379)])

    p50, p95 = np.median(errors, axis=0)
    assert p50 < 0.05
    assert p95 < 0.08
