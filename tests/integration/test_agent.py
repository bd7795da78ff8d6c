"""The agent on a broker: a replica's record in, its samples out, second by second."""

import asyncio
import os
import socket
import sys
from pathlib import Path

import pytest

from streams.admin import create_topics
from streams.codec import decode_record
from streams.publisher import Publisher
from streams.reader import TopicReader
from streams.schemas.scaling import ReplicaStatus
from streams.schemas.telemetry import EngineSample
from streams.stage import Out
from tests.streams.toys import new_prefix, toy_settings

pytestmark = pytest.mark.broker

PATIENCE_S = 60
SOURCE = (
    "import sys; from streams.sources.agent import run_agent; "
    "from streams.settings import StreamSettings; "
    "sys.exit(run_agent(StreamSettings.model_validate_json(sys.argv[1]), 'local', node='here'))"
)


async def test_a_replica_is_scraped_and_measured_until_told_to_stop(
    broker_url: str, tmp_path: Path
) -> None:
    settings = toy_settings(broker_url, new_prefix(), "at_least_once")
    await create_topics(settings)
    with socket.create_server(("127.0.0.1", 0)) as silent, (tmp_path / "log").open("wb") as out:
        status = ReplicaStatus(
            pool="codex",
            replica="codex-1",
            state="ready",
            since_us=1,
            at_us=1,
            address=f"http://127.0.0.1:{silent.getsockname()[1]}",
            node="here",
            pid=os.getpid(),
        )
        argv = [sys.executable, "-c", SOURCE, settings.model_dump_json()]
        agent = await asyncio.create_subprocess_exec(*argv, stderr=out)
        seen = set[tuple[str, float | None]]()
        try:
            async with (
                asyncio.timeout(PATIENCE_S),
                TopicReader(settings, ["engine"]) as reader,
                Publisher(settings) as publisher,
            ):
                await publisher.send(Out(topic="pools", key="local/codex/codex-1", value=status))
                async for messages in reader.batches():
                    samples = [decode_record(m.value or b"", EngineSample) for m in messages]
                    seen |= {(sample.source, sample.up) for sample in samples}
                    if len(seen) == 2:
                        break
        finally:
            agent.terminate()
            code = await agent.wait()

    assert seen == {("scrape", 0.0), ("process", None)}
    assert code == 0
