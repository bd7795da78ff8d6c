from typing import Any

import pytest

from autoscaler.demand import DemandMeter, PoolSecond, Slo, pool_seconds
from streams.windows.regroup import merge_tables
from tests.autoscaler.world import at, requests_table

POOL = ("local", "codex")
SLO = {POOL: Slo(counted_at=POOL)}


def second_of(*tables: Any) -> PoolSecond:
    return pool_seconds(merge_tables(tables), SLO)[POOL][0]


def meter_of(arrived: list[int], **but: Any) -> DemandMeter:
    meter = DemandMeter()
    meter.add(PoolSecond(at(number), arrived=count, **but) for number, count in enumerate(arrived))
    return meter


def test_the_tenants_of_a_pool_are_summed_up() -> None:
    second = second_of(
        requests_table(0, tenant="acme", arrived=2, failed=1),
        requests_table(0, tenant="birch", arrived=3, rejected=4),
    )

    assert (second.arrived, second.failed, second.rejected) == (5, 1, 4)
    assert second.arrived_of == {"acme": 2, "birch": 3}


def test_other_pools_are_left_out() -> None:
    assert pool_seconds(requests_table(0, "sora", arrived=2), SLO) == {}


def test_the_shares_of_several_gateways_add_up() -> None:
    second = second_of(
        requests_table(0, tenant="", queued=1, in_flight=3),
        requests_table(0, tenant="x", queued=2, in_flight=4),
    )

    assert (second.queued, second.in_flight, second.gauged) == (3.0, 7.0, True)


@pytest.mark.parametrize(
    ("waited_s", "late"),
    [
        pytest.param(0.0, 0, id="no-wait"),
        pytest.param(0.97, 0, id="just-in-time"),
        pytest.param(1.03, 1, id="just-late"),
        pytest.param(60.0, 1, id="very-late"),
    ],
)
def test_waits_beyond_the_slo_are_late(waited_s: float, late: int) -> None:
    assert second_of(requests_table(0, ended=[(waited_s, 2.0)])).late == late


def test_the_time_in_service_is_without_the_wait() -> None:
    second = second_of(requests_table(0, ended=[(3.0, 2.0), (0.0, 4.0)]))

    assert second.served_n == 2
    assert second.served_s == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("arrived", "service_s", "over_s", "offered"),
    [
        pytest.param([1] * 30, 10.0, 0.0, 10.0, id="rate-times-serving-time"),
        pytest.param([1] * 30, 0.5, 0.0, 0.5, id="short-requests-take-a-share-of-a-slot"),
        pytest.param([0] * 20 + [1] * 10, 10.0, 0.0, 10.0, id="what-came-long-ago-is-over"),
        pytest.param([0] * 20 + [1] * 10, 10.0, 20.0, 5.0, id="unless-a-longer-span-is-asked-for"),
        pytest.param([], 10.0, 0.0, 0.0, id="nothing-seen"),
    ],
)
def test_offered_work(arrived: list[int], service_s: float, over_s: float, offered: float) -> None:
    assert meter_of(arrived).offered(service_s, over_s) == pytest.approx(offered)


def test_the_demand_of_single_tenants_can_be_left_out() -> None:
    meter = meter_of([3] * 20, arrived_of={"eve": 2, "acme": 1})

    assert meter.offered(10.0, without=("eve",)) == pytest.approx(10.0)


def test_a_window_counts_once() -> None:
    meter, second = meter_of([1]), PoolSecond(at(0), arrived=9)

    assert meter.add([second]) == []
    assert meter.offered(5.0) == pytest.approx(1.0)


def test_what_is_held_is_a_mean_of_windows_that_have_gauges() -> None:
    meter = DemandMeter()
    meter.add([PoolSecond(at(0), in_flight=4, queued=2, gauged=True), PoolSecond(at(1))])

    assert meter.held() == (4.0, 2.0)


@pytest.mark.parametrize(
    ("in_flight", "held"),
    [
        pytest.param([4] * 7 + [9] * 3, 5.5, id="a-wave-is-averaged"),
        pytest.param([4] * 9 + [16], 5.2, id="so-is-a-second-of-three-times"),
        pytest.param([4] * 9 + [40], 40.0, id="a-surge-counts-at-once"),
        pytest.param([4] * 8 + [12] * 2, 12.0, id="one-of-twice-after-two-seconds"),
        pytest.param([40] * 7 + [4] * 3, 29.2, id="what-falls-does-not"),
    ],
)
def test_only_a_surge_is_held_before_ten_seconds(in_flight: list[int], held: float) -> None:
    meter = DemandMeter()

    meter.add(
        PoolSecond(at(second), gauged=True, in_flight=float(count))
        for second, count in enumerate(in_flight)
    )

    assert meter.held() == pytest.approx((held, 0.0))


def test_who_is_shed_or_gives_up_was_missed_and_who_asks_wrongly_was_not() -> None:
    second = second_of(requests_table(0, failed=1, rejected=6, shed=4, cancelled=2))

    assert second.missed == 1 + 4 + 2
