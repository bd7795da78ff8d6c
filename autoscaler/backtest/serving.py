"""Requests into the slots of replicas, event by event: the part of a backtest that must be fast.

One queue, first come first served; a request goes to the ready replica that has the fewest. A
draining replica takes nothing new and is paid for until its last request ends. A client that gave
up is noticed when its request comes to the head of the queue, as by a server that looks then.
"""

from typing import Final, NamedTuple

import numpy as np

from autoscaler.backtest.compiled import compiled
from autoscaler.backtest.heap import SERVICE, Records, pop, push
from autoscaler.backtest.policy import Floats, Shape
from autoscaler.backtest.replicas import (
    NEVER,
    NOW,
    REPLICA,
    SECOND,
    become_ready,
    emptiest,
    note,
    occupy,
    order,
    places,
    release,
    set_up,
)

_REPLICA: Final = np.dtype(REPLICA)
_NOW: Final = np.dtype([*NOW, ("slo_queue_s", float), ("running", np.int64)])
"""``running``: requests in service, on draining replicas too."""


class Pool(NamedTuple):
    """Everything that changes while a pool lives."""

    arrival_s: Floats
    service_s: Floats
    replicas: Records
    heap: Records
    """Requests in service."""
    now: Records
    """One row: what there is, and the rules."""
    seconds: Records


def opened(arrival_s: Floats, service_s: Floats, shape: Shape, ready: int, seconds: int) -> Pool:
    """A pool with so many idle replicas, before the first of its seconds."""
    room = places(shape, ready)
    pool = Pool(
        arrival_s,
        service_s,
        np.zeros(room, _REPLICA),
        np.zeros(room * shape.slots + 1, SERVICE),
        np.zeros(1, _NOW),
        np.zeros(seconds, SECOND),
    )
    pool.now["slo_queue_s"] = shape.slo_queue_s
    set_up(pool, shape, ready)
    return pool


@compiled
def live(pool: Pool, want: int, since_s: int, until_s: int) -> None:
    """Order ``want`` replicas at ``since_s``, then serve until ``until_s``."""
    order(pool, want, since_s)
    for second in range(since_s, until_s):
        _serve(pool, second)
        note(pool, second)


@compiled
def _serve(pool: Pool, second: int) -> None:
    now = pool.now[0]
    while True:
        arrival = pool.arrival_s[now["tail"]] if now["tail"] < len(pool.arrival_s) else NEVER
        end = pool.heap[0]["end_s"] if now["running"] > 0 else NEVER
        ready = pool.replicas[now["next"]]["ready_s"] if now["next"] >= 0 else NEVER
        at_s = min(arrival, end, ready)
        if at_s >= second + 1:
            return
        if at_s == ready:
            become_ready(pool)
        elif at_s == end:
            _finish(pool, second)
        else:
            now["tail"] += 1
            pool.seconds[second]["arrived"] += 1
        while now["free"] > 0 and now["head"] < now["tail"]:
            _start(pool, at_s, second)


@compiled
def _finish(pool: Pool, second: int) -> None:
    now, place = pool.now[0], pool.heap[0]["place"]
    pool.seconds[second]["finished"] += 1
    pool.seconds[second]["served_s"] += pool.heap[0]["took_s"]
    pop(pool.heap, now["running"])
    now["running"] -= 1
    release(pool, place)


@compiled
def _start(pool: Pool, at_s: float, second: int) -> None:
    """The head of the queue gets a slot, unless its client is gone."""
    now = pool.now[0]
    request = now["head"]
    now["head"] += 1
    waited_s = at_s - pool.arrival_s[request]
    if waited_s > now["slo_queue_s"]:
        pool.seconds[second]["late"] += 1
        pool.seconds[int(pool.arrival_s[request])]["missed"] += 1
    if waited_s > now["patience_s"]:
        return
    place = emptiest(pool)
    occupy(pool, place)
    pool.seconds[second]["started"] += 1
    took_s = pool.service_s[request]
    push(pool.heap, now["running"], at_s + took_s, place, took_s)
    now["running"] += 1
