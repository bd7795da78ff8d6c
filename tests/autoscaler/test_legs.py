"""Requests that go through two pools: what each of the two is planned by."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from autoscaler.budget import Budget
from autoscaler.demand import PoolSecond, pool_seconds
from autoscaler.legs import Leg, mates_of, slos_of
from autoscaler.planner import Planner
from autoscaler.replica_seconds import ReplicaSecond
from model_backend.settings import BackendSettings, PoolSettings
from streams.schemas.scaling import Decision
from streams.stage import Arrival, Tick
from tests.autoscaler.world import (
    ACTING,
    at,
    decisions_of,
    engines_table,
    pool_status,
    requests_table,
)

COMMON: dict[str, Any] = {"service": "codex", "model": "m", "max_replicas": 20}
READ = PoolSettings(name="read", role="prefill", slo_ttft_s=0.5, **COMMON)
WRITE = PoolSettings(name="write", role="decode", slo_inter_token_s=0.05, **COMMON)
KEYS = {(pool.cluster, pool.name): pool for pool in (READ, WRITE)}
WHOLE = PoolSecond(
    at(0),
    in_flight=12.0,
    queued=3.0,
    shed=2,
    late_first=1,
    late_token=4,
    served_n=10,
    served_s=50.0,
    first_s=5.0,
    served_tokens=900,
)


def engine(replica: str, running: float, second: int = 0, **but: Any) -> ReplicaSecond:
    return ReplicaSecond(window_us=at(second), replica=replica, running=running, **but)


def test_mates_are_of_one_service_model_and_variant() -> None:
    other = READ.model_copy(update={"name": "other", "variant": "long"})
    assert mates_of([READ, WRITE, other]) == {
        ("local", "read"): ("local", "write"),
        ("local", "write"): ("local", "read"),
    }


def test_where_engines_are_silent_those_in_flight_are_parted_by_time() -> None:
    read, write = Leg("prefill").part(WHOLE), Leg("decode").part(WHOLE)
    assert (read.in_flight, read.served_s) == pytest.approx((1.2, 5.0))
    assert (write.in_flight, write.served_s) == pytest.approx((10.8, 45.0))


def test_engines_know_better_for_ten_seconds() -> None:
    read = Leg("prefill")
    read.see_replicas([engine("r1", 1, waiting=2, ttft_s=0.2), engine("r2", 0, ttft_s=0.4)])
    told = read.part(WHOLE)
    assert (told.in_flight, told.served_s) == pytest.approx((3.0, 3.0))
    late = PoolSecond(at(11), in_flight=12.0)
    assert read.part(late).in_flight < 12


def test_each_owes_its_own_part_of_the_slo() -> None:
    read, write = Leg("prefill").part(WHOLE), Leg("decode").part(WHOLE)
    assert (read.late, read.shed, read.queued) == (1, 2, 3.0)
    assert (write.late, write.shed, write.queued) == (4, 0, 0.0)


def test_requests_count_once_whichever_of_the_two_they_name() -> None:
    tables = [
        requests_table(0, name, ended=[(0.1, 4.0)], first_s=[first_s], arrived=1)
        for name, first_s in (("read", 0.3), ("write", 0.6))
    ]
    seen = [pool_seconds(table, slos_of(KEYS)) for table in tables]
    assert [list(one) for one in seen] == [[("local", "read")]] * 2
    assert [one["local", "read"][0].late_first for one in seen] == [0, 1]


def test_what_one_leaves_of_the_budget_the_other_may_spend() -> None:
    careful, lavish = Budget(0.005), Budget(0.005)
    before = lavish.quantile(60.0)
    for second in range(3_600):
        careful.see(100, 0)
        lavish.borrow(careful.unspent)
        # 0.7 % miss: more than its half, within the whole of what may be aimed at.
        lavish.see(100, 7 if second % 10 == 0 else 0)
    assert careful.unspent == 0.005
    assert lavish.quantile(60.0) == pytest.approx(before, abs=0.01)


@pytest.mark.parametrize("field", ["slo_ttft_s", "slo_inter_token_s"])
def test_an_slo_that_is_not_its_roles_is_an_error(field: str) -> None:
    with pytest.raises(ValidationError, match=f"{field} must be 0 unless role is"):
        PoolSettings(name="one", **COMMON, **{field: 1.0})


def planner() -> Planner:
    return Planner(ACTING, BackendSettings(pools=(READ, WRITE)))


def ticks(seconds: range, writing: float) -> Iterator[Tick]:
    """Eight requests a second, read for half a second each and written for four.

    writing: requests that decode holds; only its engines tell, the door counts them all.
    """
    for second in seconds:
        records: list[Any] = [
            pool_status(second, pool="read", desired=1),
            pool_status(second, pool="write", desired=8, ready=8),
            engines_table(second, "read-1", "read", running=4, waiting=0, ttft_s=0.5),
            engines_table(second, "write-1", "write", running=writing, waiting=0),
            requests_table(
                second,
                "write",
                ended=[(0.0, 4.5)] * 8,
                first_s=[0.5] * 8,
                arrived=8,
                tokens=800,
                in_flight=4 + writing,
                queued=0,
            ),
        ]
        arrivals = [
            Arrival(at_us=at(second), id=str(number), topic="any", record=record)
            for number, record in enumerate(records)
        ]
        yield Tick(now_us=at(second + 1), arrivals=arrivals)


def lives(seconds: int, writing: float) -> list[Decision]:
    one = planner()
    return [
        made for tick in ticks(range(seconds), writing) for made in decisions_of(one.step(tick))
    ]


def test_what_was_learned_of_both_outlives_a_restart() -> None:
    one, anew = planner(), planner()
    for tick in ticks(range(20), writing=32):
        one.step(tick)
    assert anew.recall(one.remember()) == []
    for tick in ticks(range(20, 25), writing=32):
        assert decisions_of(anew.step(tick)) == decisions_of(one.step(tick))


def test_one_stream_of_requests_plans_both() -> None:
    *_, read, write = lives(60, writing=32)
    assert read.demand == pytest.approx(4, rel=0.1)
    assert write.demand == pytest.approx(32, rel=0.1)
    assert 4 < read.inputs["upper"] < 8
    assert 32 < write.inputs["upper"] < 40


def test_what_piles_up_in_decode_does_not_grow_prefill() -> None:
    *_, usual, _ = lives(60, writing=32)
    *_, read, write = lives(60, writing=60)
    assert read.proposed == usual.proposed
    assert write.proposed > 15
