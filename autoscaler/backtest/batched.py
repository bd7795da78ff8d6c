"""A trace with tokens through batching replicas under a policy, and what clients saw of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from autoscaler.backtest.batch_pool import UNSERVED, Pool, Requests, Rules, opened
from autoscaler.backtest.batching import live
from autoscaler.backtest.policy import Floats, Ints, Policy, Shape
from autoscaler.backtest.run import Run, live_through, whole_ticks_s
from autoscaler.backtest.slo import LatencySlo
from autoscaler.backtest.trace import Trace
from autoscaler.engine import Engine
from streams.errors import InvalidParameterError


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a replica is, and what was promised."""

    engine: Engine
    slo: LatencySlo
    prefix_hit_ratio: float = 0.0
    """Of prompt tokens: in the prefix cache, so that they are not computed again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """Of each request of a trace, in seconds."""

    ttft_s: Floats
    """NaN: it had no first token when the run ended; infinite: it was given up or refused."""
    inter_token_s: Floats
    """Mean between its tokens; NaN where fewer than two came."""

    def p95(self) -> tuple[float, float]:
        """Of both, over those that have one; a request that was never served has the longest."""
        return _p95(self.ttft_s), _p95(self.inter_token_s)


def run(
    trace: Trace,
    shape: Shape,
    service: Service,
    make: Callable[[Shape], Policy],
    first: int = 0,
) -> tuple[Run, Latencies]:
    """Live through ``trace``, from ``first`` replicas; its mean work and 30 % more by default."""
    requests = requests_of(trace, service.prefix_hit_ratio)
    first = first or max(shape.low, math.ceil(1.3 * mean_work(trace, service.engine)))
    length_s = whole_ticks_s(trace, shape)
    pool = opened(requests, Rules(service.engine, service.slo, shape), first, length_s)
    lived = live_through(pool, live, trace, shape, make(shape))
    _miss_who_still_waits(pool, service)
    return lived, _latencies(pool)


def requests_of(trace: Trace, prefix_hit_ratio: float = 0.0) -> Requests:
    prompt, output = tokens_of(trace)
    read = np.maximum(1, np.rint(prompt * (1 - prefix_hit_ratio))).astype(np.int64)
    return Requests(trace.arrival_s, read, prompt, output)


def tokens_of(trace: Trace) -> tuple[Ints, Ints]:
    """Prompt and output. Raises InvalidParameterError where the trace does not know them."""
    if trace.prompt_tokens is None or trace.output_tokens is None:
        allowed = "a trace with the tokens of its requests (.npz) for the batching simulator"
        raise InvalidParameterError("TRACE", trace.name, allowed)
    return trace.prompt_tokens, trace.output_tokens


def mean_work(trace: Trace, engine: Engine) -> float:
    """Replicas that would be at work on average after the warm-up."""
    prompt, output = tokens_of(trace)
    judged = trace.arrival_s >= trace.warm_up_s
    full_s = engine.slots / engine.decode_per_s(float(prompt.mean() + output.mean() / 2))
    work_s = engine.prompt_token_s * prompt[judged].sum()
    work_s += output[judged].sum() * full_s / engine.slots
    return float(work_s) / (trace.seconds - trace.warm_up_s)


def _miss_who_still_waits(pool: Pool, service: Service) -> None:
    """Whose first token is overdue at the end."""
    slo, came = service.slo, int(pool.now["tail"][0])
    arrival_s = pool.arrival_s[:came]
    allowed_s = slo.ttft_s + slo.ttft_token_s * pool.prompt[:came]
    late = arrival_s[np.isnan(pool.first_s[:came]) & (len(pool.seconds) - arrival_s > allowed_s)]
    np.add.at(pool.seconds["missed"], late.astype(np.int64), 1)


def _latencies(pool: Pool) -> Latencies:
    between_s = np.full(len(pool.output), np.nan)
    several = (pool.output > 1) & (pool.first_s < UNSERVED) & ~np.isnan(pool.last_s)
    took_s = pool.last_s[several] - pool.first_s[several]
    between_s[several] = took_s / (pool.output[several] - 1)
    return Latencies(ttft_s=pool.first_s - pool.arrival_s, inter_token_s=between_s)


def _p95(column: Floats) -> float:
    known = column[~np.isnan(column)]
    return float(np.quantile(known, 0.95, method="higher")) if len(known) else math.nan
