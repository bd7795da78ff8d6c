import numpy as np
import pytest

from autoscaler.api.series_store import Line
from dashboards.live.curves import (
    binned,
    demand_chart,
    latency_charts,
    span_s,
    spark,
    usual,
)
from tests.dashboards.synthetic import NOW_US, view

S = 1_000_000


def line(*points: tuple[int, float]) -> Line:
    at_s, values = zip(*points, strict=True)
    at_us = np.array(at_s, np.int64) * S
    return Line("pool", {}, "ttft_s_p95", at_us, np.array(values))


def test_a_step_shows_the_worst_that_was_seen_in_it() -> None:
    bins = binned(line((91, 1.0), (92, 5.0), (97, 2.0)), 100 * S, span_s=12, step_s=3)
    assert np.array_equal(bins, [np.nan, 5.0, np.nan, 2.0], equal_nan=True)


def test_what_lies_outside_the_span_is_left_out() -> None:
    assert np.isnan(binned(line((1, 1.0), (100, 2.0)), 100 * S, span_s=12, step_s=3)).all()


def test_usual_looks_only_back() -> None:
    values = np.concatenate([np.full(50, 2.0), np.full(10, 9.0)])
    low, high = usual(values, 40)
    assert np.isnan(low[:20]).all()
    assert (low[50], high[50]) == (2.0, 2.0)


def test_usual_needs_enough_to_speak_of() -> None:
    low, _ = usual(np.full(30, np.nan), 10)
    assert np.isnan(low).all()


def test_a_gap_breaks_the_sparkline() -> None:
    path = spark(line((90, 1.0), (91, 1.0), (95, 1.0), (97, 2.0)), 100 * S)
    assert path.count("M") == 2


def test_the_forecast_stands_where_it_speaks_of() -> None:
    chart = demand_chart(view().decisions("local", "codex", limit=600), NOW_US)
    assert chart["forecast"][-1][0] == chart["t"][-1] + 10_000
    assert (chart["capacity"][0], chart["capacity"][-1], chart["unit"]) == (8.0, 12.0, "slots")


@pytest.mark.parametrize(
    ("age_s", "reach_s"),
    [
        pytest.param(0, 180, id="never-less-than-three-minutes"),
        pytest.param(230, 240, id="grows-by-the-minute"),
        pytest.param(5_000, 600, id="never-more-than-ten"),
    ],
)
def test_charts_of_a_young_pool_reach_less_far_back(age_s: int, reach_s: int) -> None:
    oldest = view().decisions("local", "codex")[0].but(at_us=NOW_US - age_s * S)
    assert span_s([oldest], NOW_US) == reach_s


def test_a_pool_shows_the_latencies_it_has() -> None:
    shown = [
        [chart["title"] for chart in latency_charts(view(), "local", pool, NOW_US)]
        for pool in ("codex", "sora")
    ]
    assert shown == [
        ["time to first token p95", "time between tokens p95"],
        ["time to the end p95", "wait in the queue p95"],
    ]


def test_an_anomaly_marks_the_chart_of_its_feature() -> None:
    (_, inter_token) = latency_charts(view(), "local", "codex", NOW_US)
    assert len(inter_token["marks"]) == 1
