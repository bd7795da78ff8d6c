"""What a detector was right and wrong about, and what that is worth."""

from typing import Any

import numpy as np
import pytest

from detectors.calibrate import Calibration, alpha_for
from detectors.settings import DetectorSettings
from detectors.worth import DAY_US, MAX_TOLD, MOST, Worth, WorthState
from streams.packing import pack, unpack
from streams.schemas.anomalies import Anomaly
from streams.schemas.telemetry import Change

SECOND_US = 1_000_000
NOON_US = 1_767_268_800 * SECOND_US
SLOW = ("ewma", "engine.ttft_s_mean")


def anomaly(number: int = 1, **but: Any) -> Anomaly:
    """Slow first tokens, at noon."""
    usual: dict[str, Any] = {
        "id": f"A-{number}",
        "kind": "engine",
        "series_id": "0",
        "labels": {"cluster": "local", "pool": "codex"},
        "feature": "engine.ttft_s_mean",
        "unit": "s",
        "started_at_us": NOON_US,
        "at_us": NOON_US,
        "score": 2.0,
        "peak_score": 2.0,
        "actual": 9.0,
        "expected": 1.0,
        "direction": "above",
        "detector": "ewma",
    }
    return Anomaly(**usual | but)


def failing(after_s: int, pool: str = "codex") -> Anomaly:
    """Requests of the pool miss their SLO."""
    labels, at_us = {"cluster": "local", "pool": pool}, NOON_US + after_s * SECOND_US
    return anomaly(
        99, detector="burn_rate", feature="request.failed_per_s", labels=labels, at_us=at_us
    )


def word(verdict: str, number: int = 1) -> Change:
    about = {"anomaly": f"A-{number}", "verdict": verdict}
    return Change(id="f", at_us=NOON_US, kind="feedback", summary="", attributes=about)


def lost(after_s: int) -> Change:
    at_us = NOON_US + after_s * SECOND_US
    return Change(
        id="l", at_us=at_us, kind="replica_lost", summary="", cluster="local", pool="codex"
    )


def after(*told: Anomaly | Change) -> Worth:
    worth = Worth()
    worth.advance(NOON_US)
    for one in told:
        worth.take(one) if isinstance(one, Change) else worth.hear([one])
    return worth


def detector(kind: str, value: str) -> DetectorSettings:
    return DetectorSettings(kind=kind, series="engine", values=(value,))


MEMBERS = [
    detector("ewma", "ttft_s_mean"),
    detector("river", "ttft_s_mean"),
    detector("limit", "up_min"),
]


@pytest.mark.parametrize(
    ("told", "earned"),
    [
        pytest.param([], 1, id="what-nobody-spoke-of-counts-for-nothing"),
        pytest.param([word("right")], 5 / 4, id="people-called-it-right"),
        pytest.param([word("wrong")], 4 / 5, id="or-wrong"),
        pytest.param([word("wrong"), word("withdrawn")], 1, id="and-took-it-back"),
        pytest.param([failing(59)], 5 / 4, id="an-slo-was-missed"),
        pytest.param([failing(61)], 1, id="but-later"),
        pytest.param([failing(59, "sora")], 1, id="or-elsewhere"),
        pytest.param([lost(59)], 5 / 4, id="a-replica-was-lost"),
        pytest.param([failing(59), word("wrong")], 4 / 5, id="people-have-the-last-word"),
        pytest.param([failing(59), word("right")], 5 / 4, id="twice-right-is-once-right"),
    ],
)
def test_earned(told: list[Anomaly | Change], earned: float) -> None:
    assert after(anomaly(), *told).earned() == {SLOW: earned}


def test_what_was_wrong_already_proves_it_too() -> None:
    assert after(failing(-30), anomaly()).earned()[SLOW] > 1
    assert after(failing(-61), anomaly()).earned()[SLOW] == 1


def test_it_follows_by_steps_day_by_day_and_comes_back() -> None:
    worth = after(*(anomaly(one) for one in range(40)), *(word("wrong", one) for one in range(40)))
    assert worth.shares(MEMBERS).tolist() == [1, 1, 1]
    in_force = []
    for day in range(1, 7):
        if day == 5:
            for one in range(40):
                worth.take(word("withdrawn", one))
        worth.advance(NOON_US + day * DAY_US)
        in_force.append(worth.state.in_force.get(SLOW, 1.0))
    assert in_force == [1 / 2, 1 / 4, 1 / MOST, 1 / MOST, 1 / 4, 1 / 2]


def test_the_budget_is_spread_anew_and_stays_the_same() -> None:
    worth = after(*(anomaly(one) for one in range(8)), *(word("wrong", one) for one in range(8)))
    worth.advance(NOON_US + DAY_US)
    ewma, river, limit = worth.shares(MEMBERS)
    assert (ewma + river, limit) == (2, 1)
    assert river == 2 * ewma


def test_who_has_earned_less_needs_more_to_be_believed() -> None:
    calibration, alpha = Calibration(members=2), alpha_for(1, 180)
    calibration.worth = np.array([1 / 8, 15 / 8])
    cells = np.zeros(2, np.int64), np.arange(2)
    calibration.admit(0)
    boundary = calibration.boundary(cells, alpha)
    assert boundary[0] > boundary[1] == 1
    assert calibration.score(cells, boundary, alpha) == pytest.approx([1, 1])


def test_what_it_remembers_is_bounded() -> None:
    worth = after(*(anomaly(one) for one in range(MAX_TOLD + 1)))
    assert len(worth.state.told) == MAX_TOLD


def test_a_state_that_was_kept_goes_on_the_same() -> None:
    worth, other = after(anomaly(), failing(5)), Worth()
    other.state = unpack(pack(worth.state), WorthState)
    for one in (worth, other):
        one.take(word("wrong"))
        one.advance(NOON_US + DAY_US)
    assert pack(other.state) == pack(worth.state)
