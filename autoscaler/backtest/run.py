"""A trace through a pool under a policy: every second of it, and every decision."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np

from autoscaler.backtest.policy import Counts, Policy, Seconds, Seen, Shape
from autoscaler.backtest.replicas import Fleet
from autoscaler.backtest.serving import Pool, live, opened
from autoscaler.backtest.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    trace: Trace
    shape: Shape
    seconds: Seconds
    paid: Counts
    """Replicas starting, ready or draining at the end of each second,"""
    asleep: Counts
    """and asleep."""
    missed: Counts
    """Requests that waited longer than the SLO, by the second they arrived in."""
    ordered: Counts
    """Replicas ready or starting, by decision."""


def run(trace: Trace, shape: Shape, make: Callable[[Shape], Policy], first: int = 0) -> Run:
    """Live through ``trace``, from ``first`` replicas; its mean load and 30 % more by default."""
    first = first or max(shape.low, math.ceil(1.3 * trace.mean_load / shape.slots))
    pool = opened(trace.arrival_s, trace.service_s, shape, first, whole_ticks_s(trace, shape))
    lived = live_through(pool, live, trace, shape, make(shape))
    _miss_who_still_waits(pool, shape.slo_queue_s)
    return lived


def whole_ticks_s(trace: Trace, shape: Shape) -> int:
    return trace.seconds // shape.tick_s * shape.tick_s


P = TypeVar("P", bound=Fleet)


def live_through(
    pool: P, live: Callable[[P, int, int, int], None], trace: Trace, shape: Shape, policy: Policy
) -> Run:
    """The run of a pool just opened, whose columns of ``Run.missed`` may still be added to."""
    seconds = Seconds(**{field.name: pool.seconds[field.name] for field in fields(Seconds)})
    ordered = _decided(pool, live, seconds, shape, policy)
    return Run(
        trace=trace,
        shape=shape,
        seconds=seconds,
        paid=pool.seconds["paid"],
        asleep=pool.seconds["asleep"],
        missed=pool.seconds["missed"],
        ordered=ordered,
    )


def _decided(
    pool: P,
    live: Callable[[P, int, int, int], None],
    seconds: Seconds,
    shape: Shape,
    policy: Policy,
) -> Counts:
    ready, starting = pool.now["ready"], pool.now["starting"]
    want = int(ready[0])  # nothing is known before the first tick
    ordered = np.full(len(pool.seconds) // shape.tick_s, want, np.int32)
    live(pool, want, 0, shape.tick_s)
    for tick in range(1, len(ordered)):
        now_s = tick * shape.tick_s
        until_s = max(0, now_s - shape.age_s)
        asleep = int(pool.now["asleep"][0])
        seen = Seen(now_s, until_s, int(ready[0]), int(starting[0]), seconds, shape, asleep)
        want = min(max(int(policy.decide(seen)), shape.low), shape.high)
        ordered[tick] = want
        live(pool, want, now_s, now_s + shape.tick_s)
    return ordered


def _miss_who_still_waits(pool: Pool, slo_queue_s: float) -> None:
    waiting = pool.arrival_s[int(pool.now["head"][0]) : int(pool.now["tail"][0])]
    late = waiting[len(pool.seconds) - waiting > slo_queue_s]
    np.add.at(pool.seconds["missed"], late.astype(np.int64), 1)
