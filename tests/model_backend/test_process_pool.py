"""Replica processes: started, checked, drained, killed; a tiny program stands for the engine."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from model_backend.pools.base import surplus
from model_backend.pools.process import (
    REMEMBER_S,
    START_LIMIT_S,
    TERMINATE_S,
    Command,
    ProcessPool,
    replica_command,
)
from model_backend.settings import PoolSettings
from streams.clock import SECOND_US, ManualClock
from streams.errors import PoolDriverError
from streams.schemas.scaling import ReplicaState, ReplicaStatus

PROGRAM = str(Path(__file__).with_name("fake_replica.py"))
POOL = PoolSettings(
    name="codex", service="codex", model="tiny", driver="process", health_interval_s=0.1
)
Look = Callable[[], bool]


def fake(manner: str = "obliging", status: int = 200) -> Command:
    return lambda _pool, _name, fd: [sys.executable, "-S", PROGRAM, str(fd), manner, str(status)]


class Bench:
    """A pool under test; its clock moves a second with each look."""

    def __init__(self, log_dir: Path, command: Command) -> None:
        self.clock = ManualClock(1000 * SECOND_US)
        self.pool = ProcessPool(POOL, clock=self.clock, log_dir=log_dir, command=command)

    async def look(self) -> dict[str, ReplicaStatus]:
        return {replica.replica: replica for replica in await self.pool.observe()}

    async def until(self, replica: str, state: ReplicaState) -> ReplicaStatus:
        for _ in range(100):
            self.clock.advance(0.2)
            seen = await self.look()
            if seen[replica].state == state:
                return seen[replica]
            await asyncio.sleep(0.02)
        raise AssertionError(f"{replica} is {seen[replica]}, expected {state}")

    async def size(self, n: int) -> None:
        await self.pool.scale(n)
        for replica in (await self.look()).values():
            if replica.state == "starting":
                await self.until(replica.replica, "ready")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path, fake())
    yield bench
    await bench.pool.close()


async def test_a_size_is_set_and_never_added_to(bench: Bench) -> None:
    for _ in range(3):
        await bench.pool.scale(2)

    assert list(await bench.look()) == ["codex-1", "codex-2"]


async def test_a_replica_is_ready_once_its_health_says_so(bench: Bench) -> None:
    await bench.pool.scale(1)
    ready = await bench.until("codex-1", "ready")

    assert ready.address.startswith("http://127.0.0.1:")
    assert ready.phases_s.keys() == {"schedule", "image", "weights"}
    assert all(took_s >= 0 for took_s in ready.phases_s.values())
    assert psutil.pid_exists(ready.pid)


async def test_a_replica_that_answers_not_yet_is_still_starting(tmp_path: Path) -> None:
    bench = Bench(tmp_path, fake(status=503))
    await bench.pool.scale(1)
    states = []
    for _ in range(5):
        bench.clock.advance(1)
        states.append((await bench.look())["codex-1"].state)
    await bench.pool.close()

    assert set(states) == {"starting"}


async def test_one_killed_is_failed_and_says_by_what(bench: Bench) -> None:
    await bench.size(1)
    os.kill((await bench.look())["codex-1"].pid, signal.SIGKILL)

    assert (await bench.until("codex-1", "failed")).reason == "ended with signal 9"


async def test_a_replacement_has_a_name_of_its_own(bench: Bench) -> None:
    await bench.size(1)
    os.kill((await bench.look())["codex-1"].pid, signal.SIGKILL)
    await bench.until("codex-1", "failed")
    await bench.pool.scale(1)

    assert list(await bench.look()) == ["codex-1", "codex-2"]


async def test_a_frozen_one_is_killed_after_its_silence(bench: Bench) -> None:
    await bench.size(1)
    pid = (await bench.look())["codex-1"].pid
    os.kill(pid, signal.SIGSTOP)
    bench.clock.advance(POOL.unhealthy_after_s)

    failed = await bench.until("codex-1", "failed")

    assert failed.reason == "gave no answer for 10 s and was killed"
    assert await asyncio.to_thread(_gone, pid)


async def test_what_is_ready_is_drained_and_then_stopped(bench: Bench) -> None:
    await bench.size(2)
    await bench.pool.scale(1)
    draining = (await bench.look())["codex-2"].state
    await bench.pool.stop("codex-2")

    assert draining == "draining"
    assert (await bench.until("codex-2", "stopped")).reason in {
        "ended with signal 15",
        "ended with exit code 0",
    }


async def test_what_is_not_ready_yet_is_stopped_at_once(bench: Bench) -> None:
    await bench.size(1)
    await bench.pool.scale(2)
    await bench.pool.scale(1)

    await bench.until("codex-2", "stopped")
    assert (await bench.look())["codex-1"].state == "ready"


async def test_one_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, fake("stubborn"))
    await bench.size(1)
    await bench.pool.stop("codex-1")
    bench.clock.advance(TERMINATE_S)

    stopped = await bench.until("codex-1", "stopped")
    await bench.pool.close()

    assert stopped.reason == "ended with signal 9"


async def test_one_that_never_becomes_ready_has_failed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, fake(status=503))
    await bench.pool.scale(1)
    await bench.pool.observe()
    bench.clock.advance(START_LIMIT_S)

    failed = await bench.until("codex-1", "failed")
    await bench.pool.close()

    assert failed.reason == "was not ready after 60 s and was killed"


async def test_close_leaves_no_process_behind(tmp_path: Path) -> None:
    bench = Bench(tmp_path, fake())
    await bench.size(2)
    pids = [replica.pid for replica in await bench.pool.observe()]
    await bench.pool.close()

    assert not any(psutil.pid_exists(pid) for pid in pids)


async def test_what_ended_is_forgotten_after_a_minute(bench: Bench) -> None:
    await bench.size(1)
    await bench.pool.stop("codex-1")
    await bench.until("codex-1", "stopped")
    bench.clock.advance(REMEMBER_S + 1)
    await bench.look()

    assert await bench.pool.observe() == []


async def test_a_program_that_is_not_there_is_a_refusal(tmp_path: Path) -> None:
    bench = Bench(tmp_path, lambda *_: ["/nowhere/replica"])

    with pytest.raises(PoolDriverError, match="codex-1 could not be started"):
        await bench.pool.scale(1)


def test_the_command_says_all_that_the_settings_say() -> None:
    pool = POOL.model_copy(
        update={"cap_tokens_per_s": 12.0, "slots": 4, "options": {"model_path": "/m.gguf"}}
    )

    command = replica_command(pool, "codex-1", 7)

    assert command[3] == "llama"
    assert {"--name=codex-1", "--fd=7", "--cap-tokens-per-s=12.0", "--slots=4"} <= set(command)
    assert command[-1] == "--model-path=/m.gguf"


def test_of_a_surplus_the_unready_go_first_and_then_the_youngest() -> None:
    def replica(name: str, state: ReplicaState, ordered_at_us: int) -> ReplicaStatus:
        return ReplicaStatus(
            pool="codex",
            replica=name,
            state=state,
            since_us=0,
            at_us=0,
            ordered_at_us=ordered_at_us,
        )

    replicas = [
        replica("old", "ready", 1),
        replica("young", "ready", 2),
        replica("unready", "starting", 3),
        replica("leaving", "draining", 4),
    ]

    assert [r.replica for r in surplus(replicas, 1)] == ["unready", "young"]


def _gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).wait(timeout=5) is not None or not psutil.pid_exists(pid)
    except psutil.NoSuchProcess:
        return True
