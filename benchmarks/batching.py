"""The batching simulator against real llama.cpp replicas: one is profiled, then all are loaded.

The load is held out: arrivals by chance, prompts and answers of mixed lengths, at shares of what
the profile says the replicas carry. Every load is simulated with its very arrivals and tokens.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import aiohttp
import msgspec
import numpy as np

from autoscaler.backtest.batched import Latencies, Service, run
from autoscaler.backtest.contest import Static
from autoscaler.backtest.policy import Shape
from autoscaler.backtest.slo import LatencySlo
from autoscaler.backtest.trace import Trace
from autoscaler.engine import Engine
from autoscaler.profile.ask import Model, client
from autoscaler.profile.measure import measure
from autoscaler.profile.record import profile_of
from autoscaler.profile.rounds import Bounds
from autoscaler.profile.seen import Answer
from streams.sources.access import Access
from tests.services.base import free_port

SLO = LatencySlo(ttft_s=2.0, inter_token_s=0.3)
SLOTS, WORDS, TOKENS = 4, (4, 120), (2, 20)
SHARES = (0.5, 0.75, 1.1)
"""Of the work that the profile says full replicas do; the last is too much."""
MEAN = (95, 11)
"""Tokens of prompt and answer of such lengths, template of the model included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One load, predicted and measured."""

    replicas: int
    share: float
    per_s: float
    requests: int
    fit_error_ratio: float
    load_average: float
    ttft_p95_s: tuple[float, float]
    """Predicted, measured."""
    inter_token_p95_s: tuple[float, float]
    missed_ratio: tuple[float, float]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=45.0, help="of each load")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, default=Path("build/batching.json"))
    parser.add_argument("--table", action="store_true", help="only print what is in the file")
    arguments = parser.parse_args()
    arguments.json.parent.mkdir(exist_ok=True)
    loads = msgspec.json.decode(arguments.json.read_bytes()) if arguments.json.exists() else []
    for seed in range(arguments.seed, arguments.seed + (0 if arguments.table else arguments.runs)):
        for replicas in arguments.replicas:
            loads += [asdict(load) for load in _one_run(replicas, arguments.seconds, seed)]
            arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(loads)))
    print("\n".join(_table(loads)))
    return 0


def _one_run(replicas: int, seconds: float, seed: int) -> list[Load]:
    with ExitStack() as stack:
        urls = [_started(stack, core) for core in range(replicas)]
        return asyncio.run(_measured(urls, seconds, seed))


def _started(stack: ExitStack, core: int) -> str:
    """A replica on one core, once it is ready."""
    port = free_port()
    argv = ["-m", "model_backend.replicas", "llama", "--slots", str(SLOTS), "--port", str(port)]
    process = subprocess.Popen([sys.executable, *argv, "--parent-pid", str(os.getpid())])
    stack.callback(process.wait, 10)
    stack.callback(process.terminate)
    os.sched_setaffinity(process.pid, {core % (os.cpu_count() or 1)})
    for _ in range(200):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                return f"http://127.0.0.1:{port}"
        except OSError:
            sleep(0.1)
    raise SystemExit("a replica did not start")


async def _measured(urls: Sequence[str], seconds: float, seed: int) -> list[Load]:
    access, bounds = Access(), Bounds(in_flight=2 * SLOTS, prompt_words=200, seconds=60)
    async with client() as session:
        model = Model(session, access, urls[0], "", seed)
        profile = profile_of(await measure(model, bounds, print), url="", model="", at_us=0)
        print(f"fit: off by {100 * profile.error_ratio:.1f} %; {profile.batch_s}")
        engine, loads = profile.engine(), []
        for share in SHARES:
            per_s = share * len(urls) / _work_s(engine)
            began = perf_counter(), os.getloadavg()[0]
            rows = await _loaded(session, access, urls, per_s, seconds, seed)
            predicted, measured = _simulated(rows, engine, len(urls)), _seen(rows)
            loads.append(
                Load(
                    replicas=len(urls),
                    share=share,
                    per_s=round(per_s, 3),
                    requests=len(rows),
                    fit_error_ratio=profile.error_ratio,
                    load_average=round((began[1] + os.getloadavg()[0]) / 2, 1),
                    ttft_p95_s=(predicted.p95()[0], measured.p95()[0]),
                    inter_token_p95_s=(predicted.p95()[1], measured.p95()[1]),
                    missed_ratio=(_missed(predicted), _missed(measured)),
                )
            )
            print(loads[-1], f"took {perf_counter() - began[0]:.0f} s")
    return loads


def _work_s(engine: Engine) -> float:
    """Of a full replica, for a mean request."""
    prompt, answer = MEAN
    return engine.prompt_token_s * prompt + answer / engine.decode_per_s()


Row = tuple[float, Answer]
"""When a request arrived at the door, and its answer."""


async def _loaded(
    session: aiohttp.ClientSession,
    access: Access,
    urls: Sequence[str],
    per_s: float,
    seconds: float,
    seed: int,
) -> list[Row]:
    """As the gateway does: one queue, then the replica with the fewest in flight."""
    rng = np.random.default_rng(seed)
    models = [Model(session, access, url, "llama", seed + 7 * at) for at, url in enumerate(urls)]
    busy, free, clock = [0] * len(urls), asyncio.Condition(), asyncio.get_running_loop().time

    async def one(words: int, tokens: int) -> Row:
        arrived_s = clock()
        async with free:
            await free.wait_for(lambda: min(busy) < SLOTS)
            at = busy.index(min(busy))
            busy[at] += 1
        try:
            return arrived_s, await models[at].answer(words, tokens)
        finally:
            async with free:
                busy[at] -= 1
                free.notify()

    tasks, next_s, end_s = [], clock(), clock() + seconds
    while next_s < end_s:
        await asyncio.sleep(next_s - clock())
        words, tokens = int(rng.integers(*WORDS)), int(rng.integers(*TOKENS))
        tasks.append(asyncio.create_task(one(words, tokens)))
        next_s += float(rng.exponential(1 / per_s))
    return await asyncio.gather(*tasks)


def _simulated(rows: Sequence[Row], engine: Engine, replicas: int) -> Latencies:
    arrived_s = np.array([row[0] for row in rows])
    arrived_s -= arrived_s[0]
    trace = Trace(
        name="load",
        arrival_s=arrived_s,
        service_s=np.ones(len(rows)),
        seconds=int(arrived_s[-1]) + 600,
        slots=engine.slots,
        prompt_tokens=np.array([row[1].prompt_tokens for row in rows]),
        output_tokens=np.array([row[1].answer_tokens for row in rows]),
    )
    shape = Shape(slots=engine.slots, cold_start_s=0, high=replicas, patience_s=1e9)
    service = Service(engine=engine, slo=SLO)
    return run(trace, shape, service, lambda _: Static(), replicas)[1]


def _seen(rows: Sequence[Row]) -> Latencies:
    between = [
        (one.came_s[-1] - one.came_s[0]) / (one.answer_tokens - 1)
        if one.answer_tokens > 1
        else np.nan
        for _, one in rows
    ]
    first_s = np.array([one.came_s[0] - arrived_s for arrived_s, one in rows])
    return Latencies(ttft_s=first_s, inter_token_s=np.array(between))


def _missed(seen: Latencies) -> float:
    late = (seen.ttft_s > SLO.ttft_s) | (seen.inter_token_s > SLO.inter_token_s)
    return float(late.mean())


def _table(loads: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield (
        "| replicas | share of full | requests/s | requests | load average "
        "| TTFT p95 s: predicted / measured | between tokens p95 s | missed % | TTFT p95 off by |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for load in sorted(loads, key=lambda load: (load["replicas"], load["share"])):
        ttft, between, missed = (
            load[name] for name in ("ttft_p95_s", "inter_token_p95_s", "missed_ratio")
        )
        yield (
            f"| {load['replicas']} | {load['share']:g} | {load['per_s']:.2f} | {load['requests']} "
            f"| {load['load_average']:.1f} | {ttft[0]:.2f} / {ttft[1]:.2f} "
            f"| {between[0]:.3f} / {between[1]:.3f} "
            f"| {100 * missed[0]:.0f} / {100 * missed[1]:.0f} "
            f"| {100 * (ttft[0] / ttft[1] - 1):+.0f} % |"
        )


if __name__ == "__main__":
    sys.exit(main())
