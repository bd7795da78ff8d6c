"""The loop round Drive: what it hands to drivers, and that nothing it says gets lost."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from autoscaler.drive import Drive
from autoscaler.keeper import Keeper
from autoscaler.reconciler import DrivenPool, Reconciler
from model_backend.pools.dry_run import DryRunPool
from model_backend.settings import PoolSettings
from streams.batch import Message
from streams.clock import SECOND_US, ManualClock
from streams.codec import encode_record
from streams.errors import BrokerUnavailableError, PoolDriverError
from streams.schemas.scaling import Decision, Drain, ReplicaStatus
from streams.schemas.telemetry import Change
from streams.stage import Outcome

POOL = PoolSettings(name="codex", service="codex", model="tiny", address="http://127.0.0.1:9")
DECISION = Decision(
    id="codex@1",
    at_us=1_000 * SECOND_US,
    cluster="local",
    pool="codex",
    current=1,
    desired=2,
    proposed=2,
    reason="because",
    ladder="full",
)


class RefusingPool(DryRunPool):
    async def observe(self) -> list[ReplicaStatus]:
        raise PoolDriverError("the orchestrator is on holiday")


class HangingPool(DryRunPool):
    async def observe(self) -> list[ReplicaStatus]:
        await asyncio.Event().wait()
        return []


class CountingPool(DryRunPool):
    """Tells when it has been looked at three times."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.looks = 0
        self.enough = asyncio.Event()

    async def observe(self) -> list[ReplicaStatus]:
        self.looks += 1
        if self.looks == 3:
            self.enough.set()
        return await super().observe()


def reconciler(
    tmp_path: Path, kind: type[DryRunPool] = DryRunPool
) -> tuple[Reconciler, DryRunPool]:
    clock = ManualClock(1_000 * SECOND_US)
    driver = kind(POOL, clock=clock, log_dir=tmp_path)
    drive = Drive(POOL, dry_run=False)
    return Reconciler([DrivenPool("local/codex", drive, driver)], clock), driver


def message(topic: str, value: bytes) -> Message:
    return Message(topic, 0, 0, 0, None, value, ())


async def test_a_decision_reaches_the_driver(tmp_path: Path) -> None:
    loop, driver = reconciler(tmp_path)
    loop.feed([message("decisions", encode_record(DECISION))])
    await loop.step()

    assert list(driver.would_have) == ["scale to 2"]


async def test_records_that_are_unreadable_or_of_others_are_skipped(tmp_path: Path) -> None:
    loop, driver = reconciler(tmp_path)
    other = DECISION.but(pool="sora")
    drain = Drain(at_us=1, cluster="x", pool="y", replica="z", gateway="g", in_flight=0)
    loop.feed([message("decisions", b"{"), message("decisions", encode_record(other))])
    loop.feed([message("drains", encode_record(drain)), message("drains", b"")])
    await loop.step()

    assert list(driver.would_have) == []


async def test_a_driver_that_refuses_does_not_stop_the_loop(tmp_path: Path) -> None:
    loop, _ = reconciler(tmp_path, RefusingPool)

    await loop.step()
    await loop.step()


async def test_a_driver_that_hangs_holds_up_no_other(tmp_path: Path) -> None:
    clock = ManualClock(1_000 * SECOND_US)
    drivers = [kind(POOL, clock=clock, log_dir=tmp_path) for kind in (HangingPool, CountingPool)]
    pools = [
        DrivenPool(f"local/{name}", Drive(POOL, dry_run=False), driver)
        for name, driver in zip(("hangs", "codex"), drivers, strict=True)
    ]
    running = asyncio.create_task(Reconciler(pools, clock, period_s=0.0).run())
    assert isinstance(drivers[1], CountingPool)
    await asyncio.wait_for(drivers[1].enough.wait(), timeout=10)
    running.cancel()


async def test_it_is_said_of_and_asked_again(tmp_path: Path) -> None:
    clock = ManualClock(1_000 * SECOND_US)
    driver = HangingPool(POOL, clock=clock, log_dir=tmp_path)
    pools = [DrivenPool("local/codex", Drive(POOL, dry_run=False), driver)]
    loop, sent = Reconciler(pools, clock, patience_s=0.0), list[Outcome]()
    await loop.step()

    async def take(outcome: Outcome) -> None:
        sent.append(outcome)
        raise BrokerUnavailableError("kafka://nowhere", "enough")

    with pytest.raises(BrokerUnavailableError):
        await loop.send(take)
    (change,) = (out.value for out in sent[0].out)
    assert isinstance(change, Change)
    assert change.summary == "codex: its driver did not answer for 0 s and is asked again"


async def test_what_could_not_be_sent_is_sent_the_next_time(tmp_path: Path) -> None:
    loop, _ = reconciler(tmp_path)
    sent: list[Outcome] = []
    done = asyncio.Event()

    async def refuse(_: Outcome) -> None:
        raise BrokerUnavailableError("kafka://nowhere", "no answer")

    async def take(outcome: Outcome) -> None:
        sent.append(outcome)
        done.set()

    await loop.step()
    with pytest.raises(BrokerUnavailableError):
        await loop.send(refuse)
    sending = asyncio.create_task(loop.send(take))
    await done.wait()
    sending.cancel()

    assert len(sent[0].out) == 3


class Thing:
    def __init__(self) -> None:
        self.closed = asyncio.Event()

    async def close(self) -> None:
        self.closed.set()


async def _thing() -> Thing:
    return Thing()


async def test_what_is_kept_survives_a_short_loss_of_ownership() -> None:
    keeper = Keeper(_thing, linger_s=3600)
    first = await keeper.take()
    keeper.leave()

    assert await keeper.take() is first


async def test_what_is_kept_is_closed_when_ownership_does_not_come_back() -> None:
    keeper = Keeper(_thing, linger_s=0)
    first = await keeper.take()
    keeper.leave()
    await first.closed.wait()

    assert await keeper.take() is not first


async def test_what_is_kept_is_closed_at_once_when_ownership_ends_for_good() -> None:
    keeper = Keeper(_thing, linger_s=3600)
    first = await keeper.take()
    await keeper.close()

    assert first.closed.is_set()
