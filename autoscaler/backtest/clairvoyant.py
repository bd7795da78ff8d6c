"""The plan of somebody who knows the trace: what no scaler can undercut by much.

Each block of 15 s is tried with fewer and fewer replicas, from as many as let nobody wait.
Which number each block gets is a trade of GPU-seconds against misses at one price for all blocks;
a higher price gives a plan that misses less. What is needed is ordered a cold start ahead, and
kept where ordering it anew would cost as much.
"""

import math
from typing import Final, NamedTuple

import numpy as np

from autoscaler.backtest.compiled import compiled
from autoscaler.backtest.heap import SERVICE, Records, pop, push
from autoscaler.backtest.policy import Counts, Floats, Ints, Seen
from autoscaler.backtest.trace import Trace

BLOCK_S: Final = 15
PRICES: Final = (0.7, 1.0, 1.5, 2.5, 5.0, 15.0)
"""Of a miss, in what a request costs that is served; from many misses to few."""
LEVELS: Final = 24
SHRINK: Final = 0.95
HOPELESS: Final = 0.6
"""With more of a block missed than this, fewer replicas are not tried."""


class Blocks(NamedTuple):
    """What each block misses with each number of replicas tried; a row for each block."""

    replicas: Counts
    missed: Floats


def blocks(trace: Trace, slo_queue_s: float) -> Blocks:
    peaks = busy_peaks(trace).reshape(-1, BLOCK_S).max(axis=1)
    tried = Blocks(np.zeros((len(peaks), LEVELS), np.int32), np.zeros((len(peaks), LEVELS), float))
    tried.replicas[:, 0] = np.maximum(1, -(-peaks // trace.slots))
    begins = np.searchsorted(trace.arrival_s, np.arange(len(peaks) + 1) * BLOCK_S)
    in_service = int(peaks.max()) + 1
    asked = _Asked(
        trace.arrival_s,
        trace.service_s,
        trace.slots,
        slo_queue_s,
        np.zeros(2 * in_service, SERVICE),
        np.zeros(2 * in_service),
    )
    _try_all(asked, begins, *tried)
    return tried


def busy_peaks(trace: Trace) -> Counts:
    """The most slots in use in each second if nobody ever waits."""
    ends = np.sort(trace.arrival_s + trace.service_s)
    whole = np.arange(trace.seconds)
    came, gone = np.searchsorted(trace.arrival_s, whole), np.searchsorted(ends, whole)
    peaks = (came - gone).astype(np.int32)
    busy = np.arange(1, len(ends) + 1) - np.searchsorted(ends, trace.arrival_s, side="right")
    np.maximum.at(peaks, trace.arrival_s.astype(np.int64), busy.astype(np.int32))
    return peaks


class _Asked(NamedTuple):
    """The requests of a trace and what they are tried on."""

    arrival_s: Floats
    service_s: Floats
    slots: int
    slo_queue_s: float
    heap: Records
    carried: Floats
    """Ends of requests that are in service as a block begins."""


@compiled
def _try_all(asked: _Asked, begins: Ints, replicas: Counts, missed: Floats) -> None:
    """Fill a row for each block; its first number of replicas is there, that lets nobody wait."""
    carried = 0
    for block in range(len(replicas)):
        since, until = begins[block], begins[block + 1]
        for level in range(LEVELS):
            if level > 0:
                before = replicas[block, level - 1]
                replicas[block, level] = max(1, min(before - 1, int(before * SHRINK)))
            missed[block, level] = _missed(asked, carried, since, until, replicas[block, level])
            if replicas[block, level] == 1 or missed[block, level] > HOPELESS * (until - since):
                replicas[block, level + 1 :] = replicas[block, level]
                missed[block, level + 1 :] = missed[block, level]
                break
        carried = _carry(asked, carried, since, until, (block + 1) * BLOCK_S)


@compiled
def _missed(asked: _Asked, carried: int, since: int, until: int, replicas: int) -> int:
    """How many wait longer than the SLO if only so many replicas serve, first come first served."""
    heap, places = asked.heap, replicas * asked.slots
    busy, missed, started_s = 0, 0, 0.0
    for request in range(carried):
        push(heap, busy, asked.carried[request], 0, 0.0)
        busy += 1
    for request in range(since, until):
        started_s = max(started_s, asked.arrival_s[request])
        while busy > 0 and (heap[0]["end_s"] <= started_s or busy >= places):
            started_s = max(started_s, heap[0]["end_s"])
            pop(heap, busy)
            busy -= 1
        missed += started_s - asked.arrival_s[request] > asked.slo_queue_s
        push(heap, busy, started_s + asked.service_s[request], 0, 0.0)
        busy += 1
    return missed


@compiled
def _carry(asked: _Asked, carried: int, since: int, until: int, end_s: float) -> int:
    """Keep who would be in service at ``end_s`` if nobody had waited."""
    kept = 0
    for request in range(carried):
        if asked.carried[request] > end_s:
            asked.carried[kept] = asked.carried[request]
            kept += 1
    for request in range(since, until):
        end = asked.arrival_s[request] + asked.service_s[request]
        if end > end_s:
            asked.carried[kept] = end
            kept += 1
    return kept


def plan(of: Blocks, price_s: float, cold_start_s: float) -> Counts:
    """Replicas to have ordered in each block, if a miss costs ``price_s`` seconds of a replica."""
    # Blocks differ in how they round; without jitter a price would take all of a kind or none.
    jitter = np.random.default_rng(0).uniform(0.6, 1.6, (len(of.replicas), 1))
    cost = of.replicas * float(BLOCK_S) + price_s * jitter * of.missed
    chosen = np.take_along_axis(of.replicas, np.argmin(cost, axis=1)[:, None], axis=1)[:, 0]
    ahead = math.ceil(cold_start_s / BLOCK_S) + 1
    padded = np.concatenate([chosen, np.full(ahead - 1, chosen[-1])])
    ordered: Counts = np.lib.stride_tricks.sliding_window_view(padded, ahead).max(axis=1)
    return ordered


def calm(ordered: Counts, calm_s: float) -> Counts:
    """The plan with what stands kept where it is ordered again within ``calm_s``.

    >>> calm(np.array([3, 1, 1, 4, 2, 2, 2, 3], np.int32), 2 * BLOCK_S).tolist()
    [3, 3, 3, 4, 2, 2, 2, 3]
    """
    span = int(calm_s // BLOCK_S) + 1
    windows = np.lib.stride_tricks.sliding_window_view
    highest = windows(np.pad(ordered, span - 1, mode="edge"), span).max(axis=1)
    filled: Counts = windows(highest, span).min(axis=1)
    return filled


class Clairvoyant:
    """Follows a plan made before."""

    def __init__(self, ordered: Counts) -> None:
        self._ordered = ordered

    def decide(self, seen: Seen) -> int:
        return int(self._ordered[seen.now_s // BLOCK_S])
