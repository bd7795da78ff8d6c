from typing import Any

import numpy as np
import pytest

from autoscaler.backtest.erlang import waiting_probability
from autoscaler.backtest.outcome import outcome
from autoscaler.backtest.policy import Seen, Shape
from autoscaler.backtest.run import Run, run
from autoscaler.backtest.trace import Trace


class Planned:
    """Orders what it was told to, by the second."""

    def __init__(self, of: dict[int, int]) -> None:
        self._of = of
        self.seen: list[Seen] = []

    def decide(self, seen: Seen) -> int:
        self.seen.append(seen)
        return self._of.get(seen.now_s, seen.ordered)


def trace(arrival_s: Any, service_s: Any, seconds: int, slots: int = 1) -> Trace:
    return Trace(
        name="test",
        arrival_s=np.asarray(arrival_s, float),
        service_s=np.asarray(service_s, float),
        seconds=seconds,
        slots=slots,
    )


def lived(of: Trace, orders: dict[int, int], first: int = 1, **but: Any) -> Run:
    shape = Shape(**({"slots": of.slots, "cold_start_s": 10, "tick_s": 1, "age_s": 1} | but))
    return run(of, shape, lambda _: Planned(orders), first)


def test_a_replica_is_paid_for_while_it_starts_and_serves_only_then() -> None:
    of = trace([0.5, 0.6, 0.7], [100, 100, 1], 30)

    lives = lived(of, {5: 2})

    assert lives.paid[[4, 5, 14, 15]].tolist() == [1, 2, 2, 2]
    assert lives.seconds.ready[[14, 15]].tolist() == [1, 2]
    assert lives.seconds.in_flight[[14, 15]].tolist() == [1, 2]


def test_a_draining_replica_is_paid_until_its_last_request_ends_and_takes_no_more() -> None:
    of = trace([0.5, 0.6, 10.0], [20, 20, 1], 30)

    lives = lived(of, {5: 1}, first=2)

    assert lives.paid[[4, 19, 20, 21]].tolist() == [2, 2, 1, 1]
    assert lives.seconds.started[20] == 1
    assert lives.missed[10] == 1


def test_what_has_not_begun_to_serve_goes_first() -> None:
    lives = lived(trace([0.5], [50], 30), {2: 2, 4: 1})

    assert lives.paid[[3, 4]].tolist() == [2, 1]
    assert lives.seconds.in_flight[29] == 1


def test_one_that_sleeps_is_ready_again_sooner_than_one_that_starts() -> None:
    beds: dict[str, Any] = {"max_asleep": 1, "wake_s": 2.0}
    lives = lived(trace([], [], 40), {5: 1, 10: 3}, first=3, **beds)

    assert lives.asleep[[4, 5, 9, 10]].tolist() == [0, 1, 1, 0]
    assert lives.paid[[4, 5, 10]].tolist() == [3, 1, 3]
    assert lives.seconds.ready[[11, 12, 19, 20]].tolist() == [1, 2, 2, 3]


def test_one_sleeps_only_once_it_has_drained() -> None:
    lives = lived(trace([0.5, 0.6], [20, 20], 40), {5: 1}, first=2, max_asleep=1)

    assert lives.asleep[[5, 19, 20]].tolist() == [0, 0, 1]
    assert lives.paid[[5, 19, 20]].tolist() == [2, 2, 1]


@pytest.mark.parametrize(("ratio", "hours"), [(1.0, 2.0), (0.25, 1.25), (0.0, 1.0)])
def test_one_asleep_costs_a_share(ratio: float, hours: float) -> None:
    lives = lived(trace([], [], 4_200), {1: 1}, first=2, max_asleep=1)  # ten minutes go unjudged

    assert outcome(lives, 1.0, ratio).gpu_hours == pytest.approx(hours, abs=0.01)


def test_a_client_that_has_waited_too_long_is_given_up() -> None:
    lives = lived(trace([0.5, 1.0, 65.0], [70, 5, 5], 90), {}, patience_s=60.0)

    assert lives.seconds.started.sum() == 2
    assert lives.seconds.late.sum() == 2
    assert lives.missed[[1, 65]].tolist() == [1, 1]


def test_who_still_waits_at_the_end_has_missed_too() -> None:
    assert lived(trace([0.5, 1.0, 28.5], [70, 5, 5], 29), {}).missed.sum() == 1


def test_a_policy_sees_only_what_is_old_enough() -> None:
    policy = Planned({})
    of = trace([0.5], [1], 30)

    run(of, Shape(slots=1, cold_start_s=1, tick_s=5, age_s=7), lambda _: policy, 1)

    assert [(seen.now_s, seen.until_s) for seen in policy.seen] == [
        (5, 0),
        (10, 3),
        (15, 8),
        (20, 13),
        (25, 18),
    ]


def test_it_is_never_below_low_nor_above_high() -> None:
    lives = lived(trace([], [], 30), {3: 99, 9: -5}, low=1, high=7, first=2)

    assert (lives.ordered.max(), lives.ordered.min()) == (7, 1)


@pytest.mark.parametrize(("replicas", "slots"), [(5, 1), (4, 4)])
def test_it_waits_as_erlang_says(replicas: int, slots: int) -> None:
    rng, servers, n = np.random.default_rng(3), replicas * slots, 40_000
    load = 0.8 * servers
    of = trace(np.cumsum(rng.exponential(1 / load, n)), rng.exponential(1, n), int(n / load), slots)

    lives = lived(of, {}, first=replicas, slo_queue_s=0.0, tick_s=100, patience_s=1e9)

    waited = outcome(lives).missed_ratio
    assert waited == pytest.approx(waiting_probability(servers, load), rel=0.1)


def test_what_is_paid_for_works_starts_drains_or_is_idle() -> None:
    of = trace(np.repeat([0.5, 700.5], 50), np.repeat([1_005.0, 300.0], 50), 1_200, slots=50)
    lives = lived(of, {300: 2, 310: 1, 600: 2, 900: 1}, cold_start_s=60)

    found = outcome(lives)

    # Until 200 s is the warm-up; the one that starts at 300 s is cancelled ten seconds later.
    assert found.starting_hours == pytest.approx((10 + 60) / 3_600)
    assert found.work_hours == pytest.approx((700 + 300) / 3_600, rel=0.01)
    assert found.draining_hours == pytest.approx(105 / 3_600, rel=0.02)
    assert found.gpu_hours == pytest.approx(lives.paid[200:].sum() / 3_600)


def test_reversals_and_the_worst_ten_minutes() -> None:
    of = trace(np.arange(1_200) + 0.5, np.full(1_200, 0.9), 1_200)
    lives = lived(of, {300: 2, 400: 1, 500: 2}, first=1)

    found = outcome(lives)

    assert (found.reversals, found.worst_ratio, found.replicas_max) == (2, 0.0, 2)
