"""Histograms with buckets of their own: what came between two, whatever became of the buckets."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.clock import SECOND_US
from streams.receive.histograms import MAX_BUCKETS, Histogram, kept, since
from streams.receive.pages import HOLD_US, Pages
from streams.receive.points import HistogramPoint
from streams.schemas.telemetry import EngineSample
from streams.windows.delta import to_table
from streams.windows.values import derive
from tests.streams.samples import T0

TTFT = "vllm:time_to_first_token_seconds"
PLACE = ("chat", "a")
VALUES = st.lists(st.floats(1e-6, 1e6), max_size=50)
SCALES = st.integers(-4, 8)


def of(values: list[float], scale: int = 3, least: float = 0.0) -> Histogram:
    """As a client of Prometheus would keep these values."""
    places = [
        math.ceil(round(math.log2(value) * 2.0**scale, 9)) for value in values if value > least
    ]
    below = float(len(values) - len(places))
    return Histogram(
        counts=Counter(places), sum=math.fsum(values), scale=scale, below=below, least=least
    )


def held(found: Histogram | None) -> tuple[dict[int, float], float]:
    assert found is not None
    return dict(found.counts), found.below


@given(VALUES, VALUES, SCALES, SCALES)
def test_what_came_is_told_by_the_coarser_buckets(
    first: list[float], more: list[float], fine: int, coarse: int
) -> None:
    now = of([*first, *more], min(fine, coarse))

    assert held(since(of(first, max(fine, coarse)), now)) == held(of(more, min(fine, coarse)))


def test_what_is_seen_again_is_not_new() -> None:
    found = since(of([0.1, 0.2]), of([0.1, 0.2]))

    assert found is not None
    assert (found.count, found.sum) == (0, 0)


def test_after_a_reset_all_is_new() -> None:
    assert held(since(of([0.1] * 5), of([0.2]))) == held(of([0.2]))


def test_where_zero_was_made_wider_nothing_is_new() -> None:
    values = [0.001, 0.001, 0.5]

    assert held(since(of(values), of(values, least=0.01))) == ({}, 0.0)


def test_bounds_that_changed_say_nothing() -> None:
    one, other = (Histogram(counts={0: 1}, sum=1, bounds=b) for b in ((1.0,), (2.0,)))

    assert since(one, other) is None


def test_too_many_buckets_are_made_coarser() -> None:
    found = kept(of(list(np.geomspace(1e-3, 1e3, 2_000)), 8))

    assert isinstance(found, Histogram)
    assert len(found.counts) <= MAX_BUCKETS
    assert found.count == 2_000


def test_wild_buckets_are_no_danger() -> None:
    found = kept(Histogram(counts={2**31: 1, -(2**31): 1}, sum=1, scale=8))

    assert isinstance(found, Histogram)
    assert all(math.isfinite(bound) for bound, _ in [*found.up_to()][:-1])


@pytest.mark.parametrize(
    ("but", "why"),
    [
        ({"sum": math.nan}, "not_finite"),
        ({"counts": {1: math.inf}}, "not_finite"),
        ({"counts": {1: -1.0}}, "negative"),
        ({"scale": 40}, "scale"),
    ],
)
def test_what_cannot_be_is_refused(but: dict[str, object], why: str) -> None:
    assert kept(replace(of([0.1]), **but)) == why  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", [0, 3, 8])
def test_quantiles_of_windows_lie_in_the_buckets_they_came_from(scale: int) -> None:
    rng = np.random.default_rng(7)
    before, came = (list(rng.lognormal(-1.5, 0.8, 400)) for _ in range(2))
    pages = Pages("local")
    for second, values in enumerate((before, before + came)):
        at_us = T0 + second * SECOND_US
        value = kept(of(values, scale))
        assert isinstance(value, Histogram)
        point = HistogramPoint(place=PLACE, at_us=at_us, name=TTFT, value=value)
        assert pages.take(point, T0) is None
    [sample] = [one for one in pages.due(T0 + HOLD_US) if isinstance(one, EngineSample)]

    found = derive(to_table("engine", [sample], interval_us=SECOND_US), interval_s=1)
    step = 2 ** (2.0**-scale)
    assert float(found["ttft_s_mean"][0]) == pytest.approx(np.mean(came), rel=1e-3)
    for name, rank in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        true = float(np.quantile(came, rank, method="inverted_cdf"))
        assert true / step / 1.02 <= float(found[f"ttft_s_{name}"][0]) <= true * step * 1.02


def test_an_older_one_is_refused_and_a_repeated_one_is_not() -> None:
    pages, point = Pages("local"), HistogramPoint(place=PLACE, at_us=T0, name=TTFT, value=of([1]))
    answers = [pages.take(one, T0) for one in (point, point, replace(point, at_us=T0 - 1))]

    assert answers == [None, None, "out_of_order"]
