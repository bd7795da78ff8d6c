"""Replica processes that sleep and wake; a tiny program stands for the engine."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from model_backend.pools.process import ProcessPool
from streams.errors import PoolDriverError
from tests.model_backend.test_process_pool import POOL, Bench, fake


class Sleeper(Bench):
    """Its first replica is ready; at level 2."""

    def __init__(self, log_dir: Path, manner: str = "obliging") -> None:
        super().__init__(log_dir, fake(manner))
        pool = POOL.model_copy(update={"max_asleep": 1, "sleep_level": 2})
        self.pool = ProcessPool(pool, clock=self.clock, log_dir=log_dir, command=fake(manner))

    async def refusal(self) -> str:
        for _ in range(100):
            try:
                await self.pool.sleep("codex-1")
            except PoolDriverError as exc:
                return str(exc)
            await asyncio.sleep(0.02)
        return "none"

    async def falls_asleep(self) -> None:
        await self.size(1)
        await self.pool.drain("codex-1")
        await self.pool.sleep("codex-1")
        await self.until("codex-1", "asleep")


@pytest.fixture
async def sleeper(tmp_path: Path) -> AsyncIterator[Sleeper]:
    sleeper = Sleeper(tmp_path)
    yield sleeper
    await sleeper.pool.close()


async def test_one_asleep_is_kept_and_woken_before_another_is_started(sleeper: Sleeper) -> None:
    await sleeper.falls_asleep()
    pid = (await sleeper.look())["codex-1"].pid
    await sleeper.pool.scale(1)
    woken = await sleeper.until("codex-1", "ready")

    assert woken.pid == pid
    assert woken.phases_s.keys() == {"wake"}
    assert list(await sleeper.look()) == ["codex-1"]


async def test_others_are_started_beside_it(sleeper: Sleeper) -> None:
    await sleeper.falls_asleep()
    await sleeper.pool.scale(2)

    assert list(await sleeper.look()) == ["codex-1", "codex-2"]


async def test_only_what_has_drained_is_put_to_sleep(sleeper: Sleeper) -> None:
    await sleeper.size(1)
    await sleeper.pool.sleep("codex-1")
    await sleeper.pool.wake("codex-1")
    await sleeper.pool.sleep("codex-9")

    assert (await sleeper.look())["codex-1"].state == "ready"


async def test_an_engine_that_cannot_says_so_and_still_drains(tmp_path: Path) -> None:
    sleeper = Sleeper(tmp_path, "sleepless")
    await sleeper.size(1)
    await sleeper.pool.drain("codex-1")
    why = await sleeper.refusal()
    state = (await sleeper.look())["codex-1"].state
    await sleeper.pool.close()

    assert why.endswith("/sleep?level=2 answered 404")
    assert state == "draining"


async def test_one_that_does_not_wake_is_ended_as_failed(tmp_path: Path) -> None:
    sleeper = Sleeper(tmp_path, "dreamy")
    await sleeper.falls_asleep()
    await sleeper.pool.scale(1)
    failed = await sleeper.until("codex-1", "failed")
    await sleeper.pool.close()

    assert failed.reason.startswith("did not wake (")
