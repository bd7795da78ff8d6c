"""How many requests a second one replica carries within an SLO, by the batching simulator."""

from typing import Final

import numpy as np

from autoscaler.backtest.batched import Service, run
from autoscaler.backtest.contest import Static
from autoscaler.backtest.policy import Shape
from autoscaler.backtest.slo import LatencySlo
from autoscaler.backtest.trace import Trace
from autoscaler.engine import Engine

_REQUESTS: Final = 800
_HALVINGS: Final = 9
_SEED: Final = 1


def carried_per_s(engine: Engine, slo: LatencySlo, prompt: int, answer: int) -> float:
    """The largest rate of arrivals by chance at which p95 of both latencies hold; 0 if none does.

    Prompts and answers are exponential about these means, and at least one token.

    >>> engine = Engine(batch_s=((0, 0.01), (8, 0.03)), prompt_token_s=0.001, slots=8)
    >>> 1 < carried_per_s(engine, LatencySlo(ttft_s=1, inter_token_s=0.1), 100, 20) < 10
    True
    """
    low, high = 0.0, 2 / (engine.prompt_token_s * prompt + answer / engine.decode_per_s())
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        ttft_s, inter_token_s = _p95(engine, slo, middle, prompt, answer)
        holds = ttft_s <= slo.ttft_s and inter_token_s <= slo.inter_token_s
        low, high = (middle, high) if holds else (low, middle)
    return low


def _p95(
    engine: Engine, slo: LatencySlo, per_s: float, prompt: int, answer: int
) -> tuple[float, float]:
    rng = np.random.default_rng(_SEED)
    arrival_s = np.cumsum(rng.exponential(1 / per_s, _REQUESTS))
    lengths = (
        np.ceil(rng.exponential(mean, _REQUESTS)).astype(np.int64) for mean in (prompt, answer)
    )
    read, written = lengths
    trace = Trace(
        name="chance",
        arrival_s=arrival_s,
        service_s=np.ones(_REQUESTS),
        seconds=int(arrival_s[-1]) + 60,
        slots=engine.slots,
        prompt_tokens=read,
        output_tokens=written,
    )
    shape = Shape(slots=engine.slots, cold_start_s=0, high=1)
    _, seen = run(trace, shape, Service(engine=engine, slo=slo), lambda _: Static(), 1)
    return seen.p95()
