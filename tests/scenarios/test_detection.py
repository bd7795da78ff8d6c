"""Minutes of a pool through the real chain: the normal stays quiet, faults are named soon."""

from collections.abc import Callable

import pytest

from streams.schemas.telemetry import GpuSample
from tests.scenarios.chain import Chain, contents, new_watch
from tests.scenarios.pool_simulation import (
    SECOND_US,
    PoolSimulation,
    traced_arrivals,
)

ONSET_S = 45
SOON_S = 8
"""Seconds of event time from onset to the window that starts the anomaly's first record; what the
lateness and the transport add comes on top."""

Fault = Callable[[PoolSimulation, int], int]
"""Called each second with the seconds since onset; returns how often each request is sent."""


def freeze(pool: PoolSimulation, since_s: int) -> int:
    if since_s == 0:
        pool.replica("codex-2").frozen = True
    return 1


def kill(pool: PoolSimulation, since_s: int) -> int:
    if since_s == 0:
        pool.kill("codex-2")
    return 1


def surge(pool: PoolSimulation, since_s: int) -> int:
    return 4 if since_s >= 0 else 1


def flood(pool: PoolSimulation, since_s: int) -> int:
    pool.flood = "elm" if since_s >= 0 else ""
    return 1


def leak(pool: PoolSimulation, since_s: int) -> int:
    if since_s >= 0:
        pool.replica("codex-2").extra_s = min(1.2, 0.08 * (since_s + 1))
    return 1


def breathe(pool: PoolSimulation, at_s: int) -> None:
    """Grow and shrink as a scaler would."""
    if at_s and at_s % 30 == 0:
        pool.scale([3, 2, 3, 1, 2, 3, 2][at_s // 30 % 7])


def run(seed: int, seconds: int, fault: Fault | None = None, *, scales: bool = False) -> Chain:
    pool, chain = PoolSimulation(seed), Chain()
    for at_s, tokens in enumerate(traced_arrivals(seed, seconds)):
        if scales:
            breathe(pool, at_s)
        times = fault(pool, at_s - ONSET_S) if fault else 1
        second = pool.step([one for one in tokens for _ in range(times)])
        chain.step(second, pool.now_us)
    return chain


@pytest.mark.parametrize("seed", [1, 2])
def test_bursts_and_scaling_alone_open_nothing(seed: int) -> None:
    assert run(seed, 180, scales=True).found() == []


@pytest.mark.slow
def test_an_hour_of_bursts_and_scaling_opens_nothing() -> None:
    assert run(11, 3_600, scales=True).found() == []


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        pytest.param(freeze, ("engine.up_min", "codex-2", "below"), id="frozen-replica"),
        pytest.param(kill, ("engine.up_min", "codex-2", "below"), id="killed-replica"),
        pytest.param(surge, ("request.arrived_per_s", "codex", "above"), id="surge"),
        pytest.param(flood, ("request.rejected_per_s", "elm", "above"), id="flooding-client"),
        pytest.param(leak, ("engine.inter_token_s_mean", "codex-2", "above"), id="slow-replica"),
    ],
)
def test_each_fault_is_named_soon(fault: Fault, expected: tuple[str, str, str]) -> None:
    chain = run(2, ONSET_S + SOON_S + 4, fault)
    assert expected in chain.found()
    onset_us = PoolSimulation(0).now_us + ONSET_S * SECOND_US
    named = next(one for one in chain.said.values() if one.feature == expected[0])
    assert onset_us <= named.started_at_us <= onset_us + SOON_S * SECOND_US


def test_nobody_else_is_accused_of_a_frozen_replica() -> None:
    chain = run(1, ONSET_S + 20, freeze)
    assert {subject for feature, subject, _ in chain.found() if feature.startswith("engine")} == {
        "codex-2"
    }


def test_an_anomaly_ends_when_the_replica_answers_again() -> None:
    def thaw(pool: PoolSimulation, since_s: int) -> int:
        pool.replica("codex-2").frozen = 0 <= since_s < 10
        return 1

    chain = run(1, ONSET_S + 40, thaw)
    ended = {one.feature: one.ended_at_us for one in chain.said.values()}
    onset_us = PoolSimulation(0).now_us + ONSET_S * SECOND_US
    assert ended["engine.up_min"] == onset_us + 10 * SECOND_US


def test_a_gpu_error_is_found_in_its_window() -> None:
    pool, chain = PoolSimulation(1), Chain()
    for at_s in range(60):
        second = pool.step([])
        second.gpu.append(
            GpuSample(
                at_us=pool.now_us - 1,
                node="node-1",
                gpu_uuid="GPU-1",
                temperature_c=60.0,
                xid=79 if at_s == 35 else 0,
            )
        )
        chain.step(second, pool.now_us)
    assert chain.found() == [("gpu.xid_max", "GPU-1", "above")]


def test_a_replay_of_the_log_gives_the_same_bytes() -> None:
    chain = run(1, ONSET_S + 15, leak)
    in_one_go = new_watch().step(chain.log)
    assert contents(in_one_go) == contents(chain.told)
