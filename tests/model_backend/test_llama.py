"""One real llama.cpp replica: its pace, its shape, its end; and what it says without a model."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from argparse import Namespace
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from model_backend.pools.process import ProcessPool
from model_backend.replicas.base import ReplicaOptions
from model_backend.replicas.llama import LlamaReplica
from model_backend.settings import PoolSettings
from streams.clock import system_clock
from streams.errors import InvalidParameterError, MissingRequirementError
from streams.schemas.scaling import ReplicaStatus
from streams.schemas.telemetry import EngineSample
from streams.sources.engines import read_engine
from streams.sources.prometheus_text import parse
from streams.sources.vocabulary import WANTED
from tests.model_backend.gateway_world import World

CAP = 20.0
POOL = PoolSettings(
    name="codex",
    service="codex",
    model="gemma-3-270m",
    driver="process",
    slots=2,
    cap_tokens_per_s=CAP,
    health_interval_s=0.1,
)
PROMPT = {"prompt": "Once upon a time", "max_tokens": 12, "ignore_eos": True}


@dataclass(frozen=True)
class Served:
    pool: ProcessPool
    address: str
    pid: int
    client: aiohttp.ClientSession

    async def metric(self, name: str) -> float:
        async with self.client.get(f"{self.address}/metrics") as answer:
            found = re.search(rf"^{re.escape(name)} (\S+)$", await answer.text(), re.MULTILINE)
        assert found, name
        return float(found[1])

    async def page(self) -> bytes:
        async with self.client.get(f"{self.address}/metrics") as answer:
            return await answer.read()

    async def until(self, name: str, value: float) -> None:
        while await self.metric(name) != value:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


@pytest.fixture
async def replica(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setenv("TIDEGATE_DEMO", "1")
    pool = ProcessPool(POOL, clock=system_clock, log_dir=tmp_path)
    await pool.scale(1)
    async with asyncio.timeout(60), aiohttp.ClientSession() as client:
        while (seen := (await pool.observe())[0]).state == "starting":  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)
        assert seen.state == "ready", (tmp_path / "codex-1.log").read_text()
        yield Served(pool, seen.address, seen.pid, client)
        await pool.close()


async def stream(served: Served) -> list[float]:
    """When each token of one answer came."""
    loop, came = asyncio.get_running_loop(), list[float]()
    body = {**PROMPT, "stream": True}
    async with served.client.post(f"{served.address}/v1/completions", json=body) as answer:
        async for line in answer.content:
            if b'"text":"' in line and b'"finish_reason":null' in line:
                came.append(loop.time())
    return came


@pytest.mark.replicas
async def test_a_real_replica_from_its_first_token_to_its_end(replica: Served) -> None:
    """One process serves all steps: loading the model is what takes time."""
    streams = await asyncio.gather(*(stream(replica) for _ in range(3)))
    came = sorted(at for times in streams for at in times)
    assert len(came) >= 30
    assert (len(came) - 1) / (came[-1] - came[0]) <= CAP * 1.2, "the cap holds over all streams"

    async with replica.client.post(f"{replica.address}/v1/completions", json=PROMPT) as answer:
        usage = (await answer.json())["usage"]
    assert usage["completion_tokens"] == 12
    assert await replica.metric("tidegate_replica_requests_total") == 4
    assert await replica.metric("tidegate_demo_cap_tokens_per_s") == CAP
    page = await replica.page()
    reading = read_engine(parse(page, wanted=WANTED).samples)
    assert reading.engine == "llamacpp"
    assert reading.total("finished") == 4
    assert (reading.total("prompt_tokens") or 0) > 0
    assert (reading.total("output_tokens") or 0) >= 48
    assert (reading.levels["running"], reading.levels["waiting"]) == (0, 0)

    chat = {"messages": "not an array"}
    async with replica.client.post(f"{replica.address}/v1/chat/completions", json=chat) as answer:
        assert answer.status == 400, "what the engine refuses comes through"
    async with replica.client.post(f"{replica.address}/v1/completions", data=b"[") as answer:
        assert answer.status == 400

    delay = {"extra_s_per_token": 0.01}
    async with replica.client.post(f"{replica.address}/demo/delay", json=delay) as answer:
        assert await answer.json() == delay

    endless = {**PROMPT, "max_tokens": 900, "stream": True}
    async with replica.client.post(f"{replica.address}/v1/completions", json=endless) as answer:
        await answer.content.readline()
    await replica.until("llamacpp:requests_processing", 0)

    os.kill(replica.pid, signal.SIGTERM)
    while (seen := (await replica.pool.observe())[0]).state == "ready":  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.05)
    assert seen.reason == "ended with exit code 0"


@pytest.mark.replicas
async def test_the_gateway_tells_of_a_real_replica_that_is_made_to_repeat_itself(
    replica: Served,
) -> None:
    async with World() as world:
        at_us = world.clock()
        ready: dict[str, Any] = {"state": "ready", "since_us": at_us, "at_us": at_us}
        world.view.feed(
            ReplicaStatus(pool="codex", replica="codex-1", address=replica.address, **ready)
        )
        for word, streamed in (("", False), ("very ", True)):
            async with replica.client.post(
                f"{replica.address}/demo/say", json={"word": word}
            ) as answer:
                assert answer.status == 200
            body = {**PROMPT, "model": "gemma", "temperature": 0, "stream": streamed}
            await (await world.ask(body, path="/v1/completions")).read()
            world.tick(1)
        told = world.told("engine", EngineSample, texts=1)

    seen = [(one.empty, one.stretches, one.repeated, one.truncated) for one in told]
    assert seen == [(0, 1, 0, 1), (0, 1, 1, 1)]


def options() -> ReplicaOptions:
    return ReplicaOptions(name="codex-1", model="gemma-3-270m")


def test_a_missing_model_file_is_one_clear_sentence() -> None:
    arguments = Namespace(model_path="/nowhere/m.gguf", cap_tokens_per_s=0.0, context_tokens=64)

    with pytest.raises(MissingRequirementError, match=r"^model file /nowhere/m.gguf is missing; "):
        LlamaReplica(options(), arguments)


def test_a_negative_cap_is_refused() -> None:
    arguments = Namespace(model_path="/nowhere/m.gguf", cap_tokens_per_s=-1.0, context_tokens=64)

    with pytest.raises(InvalidParameterError, match="cap_tokens_per_s"):
        LlamaReplica(options(), arguments)


def test_the_program_says_it_on_one_line_and_exits_with_2() -> None:
    argv = [sys.executable, "-m", "model_backend.replicas", "llama", "--model-path=/nowhere/m.gguf"]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert ended.stderr.startswith("llama-1: model file /nowhere/m.gguf is missing; give --model-")
