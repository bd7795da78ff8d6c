"""docs/adopt/go-and-node.md: both programs against a real Kafka, and what INGEST makes of it."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from streams.admin import create_topics
from streams.settings import StreamSettings
from tests.adopt.page import Page, run
from tests.clients.ingested import ingested
from tests.services.base import Missing, need
from tests.streams.toys import new_prefix, toy_settings

CLIENTS = Path(__file__).parents[2] / "clients"
UNREACHABLE = ("dial tcp", "ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "no such host")


@pytest.fixture
async def settings(kafka_url: str) -> StreamSettings:
    settings = toy_settings(kafka_url, new_prefix(), "exactly_once", raw_partitions=1)
    await create_topics(settings)
    return settings


@pytest.mark.slow
@pytest.mark.kafka
async def test_what_both_programs_say_comes_out_in_windows(
    settings: StreamSettings, tmp_path: Path
) -> None:
    for tool in ("go", "npm"):
        try:
            need(tool, f"apt-get install {tool}")
        except Missing as exc:
            pytest.skip(str(exc))
    kept = shutil.ignore_patterns("node_modules", "python")
    shutil.copytree(CLIENTS, tmp_path / "clients", ignore=kept)
    # Caches and certificates are this machine's: a compiler takes a minute from nothing.
    variables = dict(os.environ) | {
        "BROKER": settings.broker.bootstrap,
        "PREFIX": settings.topics.prefix,
    }
    for command in Page("go-and-node").commands():
        done = await asyncio.to_thread(run, command, tmp_path, timeout_s=300, **variables)
        if done.returncode and any(word in done.stderr for word in UNREACHABLE):
            pytest.skip(f"no package registry at hand: {done.stderr[-200:]}")
        assert done.returncode == 0, done.stderr

    sums, letters = await ingested(settings, 2)
    assert (sums["arrived"], sums["finished"], sums["output_tokens"], letters) == (2, 2, 80, 0)
