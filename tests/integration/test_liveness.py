"""A stage that hangs, freezes or dies on a real Kafka, its supervisor, and its exact output."""

import asyncio
import os
import signal
from functools import partial
from pathlib import Path

import pytest

from streams.admin import create_topics
from streams.publisher import Publisher
from streams.pulse import Pulse, read_pulse
from streams.reader import TopicReader
from streams.settings import StreamSettings
from streams.settling import settle
from streams.stage import Out
from streams.watchdog import EXIT_STUCK
from tests.streams.ailing import FATAL, STUCK_AFTER_S, command
from tests.streams.test_log_stage import Ledger
from tests.streams.toys import new_prefix, toy_settings
from tidegate.supervisor import Supervisor

pytestmark = pytest.mark.kafka

TOTAL = 40
SESSION_S = 60
"""Of group and transaction: without the supervisor's help nothing would go on before that."""


@pytest.fixture
async def settings(kafka_url: str) -> StreamSettings:
    settings = toy_settings(kafka_url, new_prefix(), "exactly_once")
    broker = settings.broker.model_copy(update={"session_timeout_s": float(SESSION_S)})
    settings = settings.model_copy(update={"broker": broker})
    await create_topics(settings)
    return settings


async def feed(source: Publisher) -> None:
    """One record at a time: the fatal one has neighbours before and behind it."""
    for n in range(TOTAL):
        await source.send(Out(topic="partials", key="k", value=b"%d" % n, partition=n % 2))


@pytest.mark.parametrize(
    ("ill", "code", "hangs"),
    [
        pytest.param("block", EXIT_STUCK, 1, id="the handler blocks the loop"),
        pytest.param("wait", EXIT_STUCK, 1, id="the handler awaits for ever"),
        pytest.param("freeze", -signal.SIGKILL, 1, id="the process is frozen"),
        pytest.param("die", -signal.SIGKILL, 0, id="it is killed inside a transaction"),
    ],
)
async def test_a_stage_that_comes_to_grief_goes_on_and_counts_each_record_once(
    settings: StreamSettings, tmp_path: Path, ill: str, code: int, hangs: int
) -> None:
    pulse = tmp_path / "ailing.pulse"
    supervisor = Supervisor(
        tmp_path, os.environ, frozen_after_s=2 * STUCK_AFTER_S, bury=partial(settle, settings)
    )
    child = await supervisor.start("ailing", command(ill, settings, pulse), pulse=pulse)
    try:
        async with (
            asyncio.timeout(SESSION_S * 0.75),
            Publisher(settings) as source,
            TopicReader(settings, ["anomalies"]) as reader,
        ):
            ledger = Ledger(reader)
            await feed(source)
            await ledger.until(TOTAL)
    finally:
        await supervisor.stop()

    assert (sorted(ledger.values), ledger.breaks) == (list(range(TOTAL)), 0)
    assert (child.ended, read_pulse(pulse).hangs) == ([code], hangs), child.last_words(40)


async def test_a_pulse_of_the_past_harms_no_living_owner(
    settings: StreamSettings, tmp_path: Path
) -> None:
    pulse = tmp_path / "ailing.pulse"
    last: list[Pulse] = []

    async def bury(left: Pulse) -> None:
        last.append(left)
        await settle(settings, left)

    supervisor = Supervisor(tmp_path, os.environ, bury=bury)
    child = await supervisor.start("ailing", command("die", settings, pulse), pulse=pulse)
    try:
        async with (
            asyncio.timeout(SESSION_S * 0.75),
            Publisher(settings) as source,
            TopicReader(settings, ["anomalies"]) as reader,
        ):
            ledger = Ledger(reader)
            await feed(source)
            await ledger.until(FATAL)
            while not last:
                await ledger.read(0.1)
            for _ in range(5):
                await settle(settings, last[0])
            await ledger.until(TOTAL)
    finally:
        await supervisor.stop()

    assert len(last[0].producers) == 2
    assert (len(child.ended), ledger.breaks) == (1, 0)
    assert "partition_dropped" not in child.log.read_text()
