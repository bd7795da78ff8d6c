"""The planner's ticks where pools share GPUs."""

from typing import Any

import pytest

from autoscaler.allocation.settings import ClaimSettings, StockSettings
from autoscaler.planner import Planner
from model_backend.settings import BackendSettings, PoolSettings
from streams.schemas.scaling import Decision, ReplicaStatus
from streams.stage import Arrival, Tick
from tests.autoscaler.world import ACTING, at, decisions_of, pool_status, requests_table

POOLS = BackendSettings(
    pools=tuple(
        PoolSettings(name=name, service=name, model="m", max_replicas=5, start_delay_s=8)
        for name in ("codex", "sora")
    )
)
FOUR = ACTING.model_copy(
    update={
        "stocks": (StockSettings(name="here", hardware="cpu", gpus=4),),
        "claims": (ClaimSettings(pool="sora", priority=1),),
    }
)


def watched(planner: Planner, until: int, *statuses: ReplicaStatus) -> dict[str, Decision]:
    """Both pools are full with more waiting, second by second; what was decided last."""
    last: dict[str, Decision] = {}
    for second in range(until):
        records: list[Any] = [
            *(pool_status(second, pool=pool, desired=1) for pool in ("codex", "sora")),
            *(
                requests_table(second, pool, ended=[(0.0, 4.0)], arrived=4, in_flight=4, queued=9)
                for pool in ("codex", "sora")
            ),
            *(statuses if second == 0 else ()),
        ]
        arrivals = [
            Arrival(at_us=at(second), id=str(number), topic="any", record=record)
            for number, record in enumerate(records)
        ]
        made = decisions_of(planner.step(Tick(now_us=at(second + 1), arrivals=arrivals)))
        last |= {decision.pool: decision for decision in made}
    return last


def starting(number: int) -> ReplicaStatus:
    return ReplicaStatus(
        pool="sora",
        replica=f"sora-{number}",
        state="starting",
        since_us=at(0),
        at_us=at(0),
        ordered_at_us=at(0),
    )


@pytest.mark.parametrize(
    ("statuses", "until", "sora"),
    [
        pytest.param((), 40, 3, id="the-first-in-line-but-for-the-least-of-the-other"),
        pytest.param(tuple(map(starting, (2, 3))), 25, 3, id="while-its-replicas-start"),
        pytest.param(tuple(map(starting, (2, 3))), 40, 1, id="until-they-took-too-long"),
    ],
)
def test_of_four_gpus_the_pool_of_higher_priority_has(
    statuses: tuple[ReplicaStatus, ...], until: int, sora: int
) -> None:
    last = watched(Planner(FOUR, POOLS), until, *statuses)
    assert (last["sora"].desired, last["codex"].desired) == (sora, 4 - sora)


def test_a_planner_decides_alone_on_what_it_sees_of_its_cluster() -> None:
    """Not even the settings of another cluster's pools change what is decided here."""
    far = PoolSettings(name="video", cluster="far", service="sora", model="m", min_replicas=1)
    both = BackendSettings(pools=(*POOLS.pools, far))
    assert watched(Planner(FOUR, both), 20) == watched(Planner(FOUR, POOLS), 20)
