"""What is said of an anomaly when somebody asks why."""

from typing import Any

import numpy as np
import pytest

from detectors.explain import Past, Why, explain
from streams.clock import SECOND_US
from streams.schemas.anomalies import Anomaly
from streams.schemas.telemetry import Change

START_US = 1_700_000_000 * SECOND_US
BEGAN = 200
"""Second of the past at which it begins."""
LABELS = {"cluster": "local", "pool": "codex", "replica": "codex-1"}


def at(second: int) -> int:
    return START_US + second * SECOND_US


def anomaly(**but: Any) -> Anomaly:
    usual: dict[str, Any] = {
        "id": "a1",
        "kind": "engine",
        "series_id": "00",
        "labels": LABELS,
        "feature": "engine.inter_token_s_mean",
        "unit": "s",
        "started_at_us": at(BEGAN),
        "at_us": at(BEGAN + 9),
        "score": 3.0,
        "peak_score": 3.0,
        "actual": 0.6,
        "expected": 0.1,
        "direction": "above",
        "detector": "ewma",
        "sentence": "inter_token_s_mean is 0.6 s, expected at most 0.2 s",
    }
    return Anomaly(**(usual | but))


def past(inter_token_s: float = 0.6, *, cpu: float = 0.9) -> Past:
    """Slow from ``BEGAN`` on, and at 100 with three requests as now; CPU moves with it."""
    seconds = np.arange(BEGAN + 10)
    slow = seconds >= BEGAN
    in_flight = np.where((seconds == 100) | slow, 3.0, 1.0 + seconds % 2)
    wave = 0.01 * np.sin(seconds)
    return Past(
        START_US + seconds * SECOND_US,
        {
            "inter_token_s_mean": np.where(slow, inter_token_s, 0.1 + wave),
            "inter_token_s_p95": np.where(slow, 3 * inter_token_s, 0.15 + wave),
            "in_flight_mean": in_flight,
            "cpu_ratio_mean": np.where(slow, cpu, 0.4 + wave),
            "rss_bytes_mean": 1e9 + 1e7 * wave,
        },
    )


def test_what_moved_is_named_once_a_quantity_and_its_own_value_comes_first() -> None:
    moved = explain(anomaly(), past()).moved

    assert [one.value for one in moved] == ["inter_token_s_mean", "cpu_ratio_mean"]
    assert moved[0].actual == pytest.approx(0.6)
    assert 0.09 < moved[0].usual.low < moved[0].usual.median < moved[0].usual.high < 0.11
    assert moved[1].deviation > 4


def test_what_fell_deviates_to_below() -> None:
    assert explain(anomaly(), past(cpu=0.1)).moved[1].deviation < -4


def test_what_often_jumps_has_not_moved() -> None:
    known = past()
    jumps = np.where(np.arange(BEGAN + 10) % 5 == 0, 3.0, 0.0)
    jumps[BEGAN:] = 3.0

    moved = explain(anomaly(), Past(known.at_us, {**known.columns, "waiting_mean": jumps})).moved

    assert [one.value for one in moved] == ["inter_token_s_mean", "cpu_ratio_mean"]


def test_the_nearest_normal_is_the_moment_with_the_same_load() -> None:
    found = explain(anomaly(), past()).nearest_normal

    assert found is not None
    assert (found.at_us, found.load) == (at(100), {"in_flight_mean": (3.0, 3.0)})
    assert found.actual < 0.12


def test_what_another_anomaly_disturbed_is_not_usual() -> None:
    other = anomaly(id="a0", started_at_us=at(95), at_us=at(105), ended_at_us=at(106))

    found = explain(anomaly(), past(), disturbed=[other]).nearest_normal

    assert found is not None
    assert found.at_us not in range(at(85), at(107))


def test_fellows_are_looked_at_in_the_same_seconds() -> None:
    found = explain(anomaly(), past(), fellows=[past(0.1), past(0.12)]).fellows

    assert found is not None
    assert found.median == pytest.approx(0.11)


@pytest.mark.parametrize(
    ("but", "near"),
    [
        ({}, True),
        ({"replica": "codex-1"}, True),
        ({"replica": "codex-2"}, False),
        ({"pool": "sora"}, False),
        ({"pool": "", "node": "n1"}, False),
        ({"at_us": at(BEGAN - 901)}, False),
        ({"at_us": at(BEGAN + 61)}, False),
        ({"kind": "feedback"}, False),
    ],
)
def test_changes_of_the_same_object_shortly_before_are_named(but: Any, *, near: bool) -> None:
    usual: dict[str, Any] = {
        "id": "c1",
        "at_us": at(BEGAN - 30),
        "kind": "deployed",
        "summary": "codex was deployed",
        "pool": "codex",
    }
    change = Change(**(usual | but))

    assert explain(anomaly(), past(), changes=[change]).changes == ((change,) if near else ())


def test_all_of_it_is_said_in_words() -> None:
    change = Change(
        id="c", at_us=at(BEGAN - 30), kind="deployed", summary="codex was deployed", pool="codex"
    )
    why = explain(
        anomaly(),
        past(),
        fellows=[past(0.1)],
        changes=[change],
        day_before=np.array([0.1, 0.12, np.nan]),
    )

    assert why.sentences == (
        "inter_token_s_mean is 0.6 s, expected at most 0.2 s",
        "inter_token_s_mean is 0.6 s, usually 0.0905 to 0.109 s",
        "also cpu_ratio_mean is 0.9 cores, usually 0.391 to 0.409 cores",
        "at the same time 0.1 s at 1 of its fellows",
        "100 s before, at in_flight_mean 3 (now 3), it was 0.0949 s",
        "a day before at this time it was 0.102 to 0.118 s",
        "codex was deployed, 30 s before it",
    )


@pytest.mark.parametrize(
    "known",
    [
        None,
        Past(np.empty(0, np.int64), {}),
        Past(np.array([at(BEGAN)]), {"inter_token_s_mean": np.array([np.nan])}),
        Past(np.array([at(BEGAN)]), {"inter_token_s_mean": np.array([np.inf])}),
        Past(START_US + np.arange(209) * SECOND_US, {"inter_token_s_mean": np.ones(209)}),
    ],
)
def test_where_little_is_known_little_is_said(known: Past | None) -> None:
    why: Why = explain(anomaly(), known, day_before=np.array([np.nan]))

    assert why.nearest_normal is None
    assert why.day_before is None
    assert why.sentences[0] == anomaly().sentence


def test_what_a_detector_has_earned_is_told() -> None:
    *_, last = explain(anomaly(worth=0.5), None).sentences
    assert last.startswith("ewma gets 0.5 times an equal share of the budget of false pages")
