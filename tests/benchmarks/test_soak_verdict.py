"""What grows is told from what only moves."""

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.soak.verdict import BOUNDS, Sample, growths

RNG = np.random.default_rng(1)
WARM_S = BOUNDS["rss_mb"].warm_s


def samples(value_at: Callable[[float], float], *, stretches: int = 1) -> list[Sample]:
    return [
        Sample(stretch=stretch, at_s=at_s, of="watch", values={"rss_mb": value_at(at_s)})
        for stretch in range(stretches)
        for at_s in np.arange(0.0, 600.0, 2.0).tolist()
    ]


@pytest.mark.parametrize(
    ("value_at", "flat"),
    [
        pytest.param(lambda at_s: 200 + float(RNG.normal(0, 3)), True, id="noise"),
        pytest.param(lambda at_s: 200 + 0.05 * at_s, False, id="a-leak"),
        pytest.param(lambda at_s: 200 + 0.02 * at_s, False, id="a-leak-seen-for-half-of-the-time"),
        pytest.param(lambda at_s: 200 + 0.5 * min(at_s, WARM_S), True, id="a-cache-that-fills"),
        pytest.param(lambda at_s: 200 + 30 * (400 < at_s < 410), True, id="a-spike"),
        pytest.param(lambda at_s: 200 + at_s % 90 / 6, True, id="a-cache-that-is-cleared"),
        pytest.param(lambda at_s: 200 - 0.1 * at_s, True, id="shrinking"),
    ],
)
def test_flat_or_not(value_at: Callable[[float], float], flat: bool) -> None:
    (growth,) = growths(samples(value_at))
    assert growth.flat is flat


def test_a_leak_shows_across_interruptions() -> None:
    (growth,) = growths(samples(lambda at_s: 200 + 0.02 * at_s, stretches=3))
    assert not growth.flat
    assert growth.grown == pytest.approx(3 * 0.02 * 598)


def test_nothing_is_judged_before_it_is_warm() -> None:
    assert growths([sample for sample in samples(lambda _: 1.0) if sample.at_s < WARM_S]) == []
