"""What replicas hold, added up per pool and window."""

from streams.clock import SECOND_US
from streams.schemas.telemetry import EngineSample
from tidegate.watch.gauges import PoolGauges


def sample(at_s: float, replica: str, running: float | None, pool: str = "a") -> EngineSample:
    at_us = round(at_s * SECOND_US)
    return EngineSample(at_us=at_us, pool=pool, replica=replica, running=running, waiting=1.0)


def test_a_window_is_told_when_the_next_begins_with_the_newest_of_each_replica() -> None:
    gauges = PoolGauges(interval_us=15 * SECOND_US)
    early = gauges.take([sample(16, "x", 1), sample(20, "y", 2), sample(29, "x", 3)])
    (gauge,) = gauges.take([sample(31, "x", 9)])
    assert early == []
    assert (gauge.at_us // SECOND_US, gauge.in_flight, gauge.queued) == (29, 5.0, 2.0)


def test_pools_are_told_apart() -> None:
    gauges = PoolGauges()
    gauges.take([sample(1, "x", 1), sample(1, "y", 2, pool="b")])
    told = gauges.take([sample(2, "x", 1)])
    assert [(gauge.pool, gauge.in_flight) for gauge in told] == [("a", 1.0), ("b", 2.0)]


def test_a_replica_not_heard_of_holds_nothing() -> None:
    gauges = PoolGauges()
    gauges.take([sample(1, "x", 7), sample(1, "y", 2)])
    for second in range(2, 6):
        (gauge,) = gauges.take([sample(second, "y", 2)])
    assert gauge.in_flight == 2.0
