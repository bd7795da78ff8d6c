from dataclasses import replace

from autoscaler.fleet import Terms
from autoscaler.shadow import Reactive
from tests.autoscaler.world import at

TERMS = Terms(
    slots=4,
    service_s=10.0,
    lead_s=8.0,
    slo_queue_s=1.0,
    target_ratio=0.7,
    scale_down_after_s=30.0,
    low=1,
    high=4,
)


def run(reactive: Reactive, arrivals: list[int], terms: Terms = TERMS, start: int = 0) -> list[int]:
    """Ready replicas by second."""
    ready = []
    for second, arrived in enumerate(arrivals, start):
        reactive.second(at(second), arrived, terms)
        ready.append(reactive.ready)
    return ready


def test_it_stays_where_the_load_fits() -> None:
    reactive = Reactive(2)

    assert set(run(reactive, [1, 0] * 60)) == {2}
    assert reactive.take_missed() == 0


def test_in_a_surge_it_orders_late_and_misses_requests_meanwhile() -> None:
    reactive = Reactive(1)
    ready = run(reactive, [1] * 60)

    assert (ready[0], ready[-1]) == (1, 4)
    assert reactive.take_missed() > 10


def test_replicas_are_there_after_the_start_delay_only() -> None:
    fast, slow = Reactive(1), Reactive(1)
    run(fast, [1] * 40)
    run(slow, [1] * 40, replace(TERMS, lead_s=300.0))

    assert (fast.ready, slow.ready, slow.wanted) == (4, 1, 4)


def test_it_shrinks_after_the_load_was_low_for_a_while() -> None:
    reactive = Reactive(4)
    ready = run(reactive, [0] * 120)

    assert (ready[15], ready[-1]) == (4, 1)


def test_what_is_not_ready_yet_goes_first() -> None:
    reactive = Reactive(1)
    slow = replace(TERMS, lead_s=500.0)
    run(reactive, [2] * 20, slow)
    run(reactive, [0] * 200, slow, start=20)

    assert (reactive.ready, reactive.wanted) == (1, 1)


def test_requests_shorter_than_a_second_flow_at_the_rate_of_the_slots() -> None:
    reactive = Reactive(1)
    run(reactive, [20] * 60, replace(TERMS, service_s=0.1))

    assert (reactive.ready, reactive.take_missed()) == (1, 0)


def test_missed_requests_are_told_once() -> None:
    reactive = Reactive(1)
    run(reactive, [1] * 60)

    assert reactive.take_missed() > 0
    assert reactive.take_missed() == 0
