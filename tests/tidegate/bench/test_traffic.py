import math
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import pytest

from detectors.laboratory.cluster import CODEX, REPLICAS, SORA, Service, drawn_cluster
from detectors.laboratory.objective import OBJECTIVE, Kept
from tidegate.bench.traffic import (
    LOADS,
    Counted,
    PoolTraffic,
    Recorded,
    Stretch,
    azure,
    busiest,
    servegen,
)

TRACES: Final[Mapping[str, Callable[[], Recorded | Counted]]] = {
    "azure": azure,
    "servegen": servegen,
}


def late_ratio(slots: int, offered: float, waits: float) -> float:
    """Share of requests that wait for longer than ``waits`` service times, by Erlang's C."""
    blocked = 1.0
    for n in range(1, slots + 1):
        blocked = offered * blocked / (n + offered * blocked)
    waiting = blocked / (1 - (1 - blocked) * offered / slots)
    return waiting * math.exp(-(slots - offered) * waits)


@pytest.mark.parametrize("service", [CODEX, SORA], ids=lambda one: one.name)
@pytest.mark.parametrize("trace", TRACES)
def test_the_fullest_of_the_smallest_pools_keeps_its_slo_in_the_busiest_time(
    service: Service, trace: str
) -> None:
    slots, load = service.slots * REPLICAS[service.name][0], LOADS[1]
    lasts_s = _mean_s(TRACES[trace](), service, load)

    assert late_ratio(slots, load * slots, service.slo_queue_s / lasts_s) < 1 - OBJECTIVE


def _mean_s(trace: Recorded | Counted, service: Service, load: float) -> float:
    """How long a mean request is served."""
    crowd = 1 + service.crowd * max(load * service.slots - 1, 0)
    work_s = trace.offered(1 / service.prefill_per_s, service.answer * service.token_s * crowd)
    return float(work_s.sum()) / _count(trace)


def _count(trace: Recorded | Counted) -> float:
    return trace.at_s.size if isinstance(trace, Recorded) else float(trace.requests.sum())


def test_a_pool_has_as_much_work_in_its_busiest_time_as_it_is_to_bear() -> None:
    cluster, hours = drawn_cluster(np.random.default_rng(1)), 3
    stretch = Stretch(servegen(), 86_400.0, 3_600.0 * hours)
    traffic = PoolTraffic(cluster, 1, stretch, np.random.default_rng(2))

    slots, arrived = SORA.slots * cluster.replicas[1], traffic(0, 3_600 * hours)
    token_s = SORA.token_s * (1 + SORA.crowd * (0.6 * SORA.slots - 1))
    minutes = np.bincount((arrived.at_s // 60).astype(int), arrived.output * token_s) / 60
    tens = np.convolve(minutes, np.full(10, 0.1), mode="valid")
    assert 0.3 * slots < tens.max() < 0.9 * slots


def test_the_busiest_time_is_that_of_most_work_and_not_of_most_requests() -> None:
    at_s = np.concatenate([np.linspace(0, 599, 600), np.linspace(600, 1199, 300)])
    few_but_long = Recorded(at_s, np.zeros(900), np.where(at_s < 600, 10.0, 200.0))

    assert busiest(Stretch(few_but_long, 0.0, 1_199.0), CODEX, 0.0) == pytest.approx(
        300 * 200 * CODEX.token_s / 600
    )


def test_a_pool_whose_requests_waited_too_long_did_not_keep_its_slo() -> None:
    hours = Kept(np.array([100.0, 100.0]), np.array([1.0, 1.0]))

    assert (hours.pools, (hours + Kept(np.zeros(2), np.array([0.0, 3.0]))).pools) == (2, 1)
