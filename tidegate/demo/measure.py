"""One uncapped replica answers once -> tokens per second of this machine."""

import asyncio
import os
import sys
import time
from pathlib import Path

import aiohttp

from streams.errors import PoolDriverError
from tidegate.ports import free_port
from tidegate.supervisor import die_with_parent

TOKENS = 32
TRIALS = 3
"""The fastest counts: what else ran meanwhile is not the machine's speed."""
BODY = {
    "model": "m",
    "max_tokens": TOKENS,
    "ignore_eos": True,
    "messages": [{"role": "user", "content": "Count the boats in the harbour."}],
}
READY_S = 60.0


async def tokens_per_s(model: str, folder: Path) -> float:
    """Tokens a second of one thread, one request; raises PoolDriverError with its log."""
    port = free_port()
    argv = [sys.executable, "-m", "model_backend.replicas", "llama", "--port", str(port),
            "--model-path", model, "--slots", "1", "--cap-tokens-per-s", "0",
            "--start-delay-s", "0", "--name", "measure"]  # fmt: skip
    log = folder / "measure.log"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *argv, stdout=out, stderr=out, cwd=folder, preexec_fn=die_with_parent,
            env={**os.environ},
        )  # fmt: skip
    try:
        return await _measure(f"http://127.0.0.1:{port}", process)
    except (aiohttp.ClientError, TimeoutError) as exc:
        tail = log.read_text(errors="replace").strip().splitlines()[-3:]
        raise PoolDriverError(
            f"a trial replica did not answer ({exc}): {' / '.join(tail)}"
        ) from exc
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _measure(address: str, process: asyncio.subprocess.Process) -> float:
    timeout = aiohttp.ClientTimeout(total=READY_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        await _until_ready(session, address, process)
        return max([await _once(session, address) for _ in range(TRIALS)])


async def _once(session: aiohttp.ClientSession, address: str) -> float:
    start = time.perf_counter()
    async with session.post(f"{address}/v1/chat/completions", json=BODY) as answer:
        answer.raise_for_status()
        await answer.read()
    return TOKENS / (time.perf_counter() - start)


async def _until_ready(
    session: aiohttp.ClientSession, address: str, process: asyncio.subprocess.Process
) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        if process.returncode is not None:
            raise aiohttp.ClientError(f"it ended with code {process.returncode}")
        try:
            async with session.get(f"{address}/health") as answer:
                if answer.status == 200:
                    return
        except aiohttp.ClientConnectionError:
            pass
        await asyncio.sleep(0.2)
    raise TimeoutError(f"not ready after {READY_S:g} s")
