"""DRIVE on a broker: a decision in, a real process and its records out."""

import asyncio
import functools
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from autoscaler import reconcile
from autoscaler.settings import ScalingSettings
from model_backend.pools import POOL_DRIVERS
from model_backend.pools.process import ProcessPool
from model_backend.settings import BackendSettings, PoolSettings
from streams.admin import create_topics
from streams.app import create_app
from streams.clock import system_clock
from streams.codec import decode_record
from streams.publisher import Publisher
from streams.reader import TopicReader
from streams.schemas.scaling import Decision, ReplicaStatus
from streams.schemas.telemetry import Change
from streams.settings import StreamSettings
from streams.stage import Out
from tests.streams.toys import new_prefix, running, toy_settings

pytestmark = pytest.mark.broker

PROGRAM = str(Path(__file__).parents[1] / "model_backend" / "fake_replica.py")
POOL = PoolSettings(name="codex", service="codex", model="tiny", driver="process")
PATIENCE_S = 60


@pytest.fixture
async def stream(
    broker_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[StreamSettings]:
    """A running DRIVE whose replicas are tiny programs."""
    settings = toy_settings(broker_url, new_prefix(), "at_least_once")
    await create_topics(settings)
    monkeypatch.setenv("TIDEGATE_STATE", str(tmp_path))
    tiny = functools.partial(ProcessPool, command=_command)
    monkeypatch.setitem(POOL_DRIVERS, "process", tiny)
    app = create_app("drive", settings)
    reconcile.attach(
        app,
        BackendSettings(pools=(POOL,)),
        ScalingSettings(ladder="full", dry_run=False),
        settings,
        "local",
    )
    async with running(app):
        yield settings
    assert [child for child in psutil.Process().children() if PROGRAM in child.cmdline()] == []


async def test_a_decision_becomes_a_replica_that_serves(stream: StreamSettings) -> None:
    async with (
        asyncio.timeout(PATIENCE_S),
        TopicReader(stream, ["pools", "changes"]) as reader,
        Publisher(stream) as publisher,
    ):
        changes: list[str] = []
        async for messages in reader.batches():
            for message in messages:
                if message.topic == "changes" and message.value:
                    changes.append(decode_record(message.value, Change).kind)
                if _ready(message.key, message.value) == "local/codex/codex-1":
                    await publisher.send(_decide(2))
                if _ready(message.key, message.value) == "local/codex/codex-2":
                    assert changes.count("scaled") == 1
                    return


def _command(_pool: PoolSettings, _name: str, fd: int) -> list[str]:
    return [sys.executable, PROGRAM, str(fd), "obliging", "200"]


def _ready(key: bytes | None, value: bytes | None) -> str:
    name = (key or b"").decode()
    if name.count("/") != 2 or not value:
        return ""
    return name if decode_record(value, ReplicaStatus).state == "ready" else ""


def _decide(size: int) -> Out:
    now_us = system_clock()
    decision = Decision(
        id=f"codex@{now_us}",
        at_us=now_us,
        cluster="local",
        pool="codex",
        current=1,
        desired=size,
        proposed=size,
        reason="said by a test",
        ladder="full",
    )
    return Out(topic="decisions", key="local/codex", value=decision)
