"""What a pool needs, also where its own figures hide it."""

from typing import Any

import pytest

from autoscaler.demand import PoolSecond
from autoscaler.need import Need

SERVICE_S = 10.0


def needs(
    *seconds: dict[str, Any], slo_queue_s: float = 1.0, service_s: float = SERVICE_S
) -> float:
    """After a calm minute of one arrival a second, ten in flight, and then these seconds."""
    need, last = Need(), 0.0
    calm = [{"arrived": 1, "in_flight": 10.0}] * 60
    for number, second in enumerate((*calm, *seconds)):
        usual = {"gauged": True, "ready": 2} | second
        last = need.see(
            PoolSecond(number, **usual), service_s=service_s, full=1.0, slo_queue_s=slo_queue_s
        )
    return last


FULL: dict[str, Any] = {"in_flight": 10.0, "queued": 30.0}
"""The pool holds no more than ten; the rest waits."""


def test_a_calm_pool_needs_what_it_holds() -> None:
    assert needs() == pytest.approx(10.0, rel=0.02)


def test_before_anything_finished_all_that_is_there_needs_a_slot() -> None:
    assert needs({"in_flight": 10.0, "queued": 5.0}, service_s=0.0) == 15.0


def test_a_burst_may_wait_as_long_as_the_slo_allows() -> None:
    burst = {"arrived": 11, "in_flight": 20.0}

    assert needs(burst) == pytest.approx(20 / 1.1, rel=0.02)
    assert needs(burst, slo_queue_s=5.0) == pytest.approx(20 / 1.5, rel=0.02)


def test_a_patient_slo_stretches_a_slot_three_times_at_most() -> None:
    assert needs({"in_flight": 300.0}, slo_queue_s=600.0) == pytest.approx(100.0)


@pytest.mark.parametrize(
    "hidden",
    [
        pytest.param(FULL, id="in-a-queue"),
        pytest.param({"in_flight": 10.0, "shed": 2}, id="while-requests-are-shed"),
        pytest.param({"gauged": False}, id="without-gauges"),
    ],
)
def test_what_is_hidden_is_carried_on_from_arrivals(hidden: dict[str, Any]) -> None:
    seconds = [hidden | {"arrived": 3}] * 60

    assert needs(*seconds) == pytest.approx(30.0, rel=0.05)


def test_who_waited_is_no_new_demand() -> None:
    jam = [FULL | {"arrived": 1}] * 60
    after = {"arrived": 1, "in_flight": 40.0}

    assert needs(*jam, after) == pytest.approx(10.0, rel=0.05)
