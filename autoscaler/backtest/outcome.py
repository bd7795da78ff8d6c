"""What a run came to: GPU-hours paid, misses, changes of mind, the worst ten minutes."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from autoscaler.backtest.policy import Counts
from autoscaler.backtest.run import Run

TEN_MINUTES_S: Final = 600
_STEP_S: Final = 60
_ENOUGH: Final = 20
"""Ten minutes with fewer requests than this have no rate worth telling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of a run after its warm-up. Ratios are of the requests that came or waited then."""

    requests: int
    gpu_hours: float
    """Replicas starting, ready and draining, and of those asleep what they cost, over time; times
    the GPUs of each."""
    missed_ratio: float
    """Waited longer than the SLO for a slot, or were given up."""
    reversals: int
    """Changes of the number ordered against the direction of the change before."""
    worst_ratio: float
    """Missed in the worst ten minutes,"""
    worst_at_s: int
    """and when those began."""
    replicas_max: int
    work_hours: float
    """Of the GPU-hours: what the requests would have filled, if replicas were divisible;"""
    starting_hours: float
    draining_hours: float
    """the rest stood idle."""


def outcome(run: Run, gpus_per_replica: float = 1.0, asleep_cost_ratio: float = 1.0) -> Outcome:
    since, seconds = run.trace.warm_up_s, run.seconds
    paid, ordered = run.paid[since:], np.repeat(run.ordered, run.shape.tick_s)[since:]
    hours = gpus_per_replica / 3_600
    worst_ratio, worst_at_s = _worst(run.missed[since:], seconds.arrived[since:])
    requests = int(seconds.arrived[since:].sum() + seconds.queued[since - 1 : since].sum())
    replica_s = float(paid.sum()) + asleep_cost_ratio * float(run.asleep[since:].sum())
    still_waiting = int(run.missed.sum()) - int(seconds.late.sum())
    return Outcome(
        requests=requests,
        gpu_hours=replica_s * hours,
        missed_ratio=(int(seconds.late[since:].sum()) + still_waiting) / max(1, requests),
        reversals=reversals(run.ordered, since // run.shape.tick_s),
        worst_ratio=worst_ratio,
        worst_at_s=since + worst_at_s,
        replicas_max=int(paid.max()),
        work_hours=float(seconds.in_flight[since:].sum()) / run.shape.slots * hours,
        starting_hours=float((ordered - seconds.ready[since:]).sum()) * hours,
        draining_hours=float((paid - ordered).sum()) * hours,
    )


def reversals(ordered: Counts, since: int = 0) -> int:
    """How often the number turns round from index ``since`` on.

    >>> reversals(np.array([3, 4, 4, 5, 4, 4, 3, 6], np.int32))
    2
    """
    steps = np.sign(np.diff(ordered))
    changed = np.flatnonzero(steps)
    turned = steps[changed[1:]] != steps[changed[:-1]]
    return int(np.count_nonzero(turned & (changed[1:] + 1 >= since)))


def _worst(missed: Counts, arrived: Counts) -> tuple[float, int]:
    """The highest share missed in ten minutes, looked at every minute."""
    gone, came = _in_ten_minutes(missed), _in_ten_minutes(arrived)
    ratio = np.where(came >= _ENOUGH, gone / np.maximum(came, 1), 0.0)
    worst = int(np.argmax(ratio))
    return float(ratio[worst]), worst * _STEP_S


def _in_ten_minutes(counts: Counts) -> Counts:
    total = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    since = np.arange(0, max(1, len(counts) - TEN_MINUTES_S + 1), _STEP_S)
    within: Counts = total[np.minimum(since + TEN_MINUTES_S, len(counts))] - total[since]
    return within
