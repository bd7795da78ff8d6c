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

GONE: Final = 0
STARTING: Final = 1
READY: Final = 2
DRAINING: Final = 3
NEVER: Final = 1e300
_REPLICA: Final = np.dtype([("phase", np.int64), ("busy", np.int64), ("ready_s", float)])
_NOW: Final = np.dtype(
    [
        ("slots", np.int64),
        ("cold_start_s", float),
        ("slo_queue_s", float),
        ("patience_s", float),
        ("head", np.int64),  # the request that is next in the queue,
        ("tail", np.int64),  # and the one that has yet to come
        ("running", np.int64),  # requests in service,
        ("in_flight", np.int64),  # those of them on ready replicas,
        ("free", np.int64),  # and the slots left there
        ("starting", np.int64),
        ("ready", np.int64),
        ("draining", np.int64),
        ("places", np.int64),  # beyond these no replica is
        ("next", np.int64),  # the place of the replica that is ready next; -1 if none starts
    ]
)
_SEEN: Final = ("arrived", "started", "finished", "in_flight", "queued", "late", "ready")
_SECOND: Final = np.dtype(
    [
        ("served_s", float),
        *((name, np.int32) for name in _SEEN),
        ("paid", np.int32),  # replicas starting, ready or draining
        ("missed", np.int32),  # of those that arrived then, whenever they got a slot
    ]
)


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
    places = 2 * max(shape.high, ready)  # draining ones stand beside those that came after them
    replicas, now = np.zeros(places, _REPLICA), np.zeros(1, _NOW)
    replicas[:ready]["phase"] = READY
    for rule in ("slots", "cold_start_s", "slo_queue_s", "patience_s"):
        now[rule] = getattr(shape, rule)
    now["ready"] = now["places"] = ready
    now["free"], now["next"] = ready * shape.slots, -1
    heap = np.zeros(places * shape.slots + 1, SERVICE)
    return Pool(arrival_s, service_s, replicas, heap, now, np.zeros(seconds, _SECOND))


@compiled
def live(pool: Pool, want: int, since_s: int, until_s: int) -> None:
    """Order ``want`` replicas at ``since_s``, then serve until ``until_s``."""
    _order(pool, want, since_s)
    now = pool.now[0]
    for second in range(since_s, until_s):
        _serve(pool, second)
        row = pool.seconds[second]
        row["in_flight"] = now["in_flight"]
        row["queued"] = now["tail"] - now["head"]
        row["ready"] = now["ready"]
        row["paid"] = now["starting"] + now["ready"] + now["draining"]


@compiled
def _order(pool: Pool, want: int, at_s: float) -> None:
    now = pool.now[0]
    more = want - now["starting"] - now["ready"]
    place = 0
    while more > 0 and place < len(pool.replicas):
        replica = pool.replicas[place]
        place += 1
        if replica["phase"] == GONE:
            replica["phase"] = STARTING
            replica["ready_s"] = at_s + now["cold_start_s"]
            now["starting"] += 1
            now["places"] = max(now["places"], place)
            more -= 1
    while more < 0 and now["starting"] + now["ready"] > 0:
        _remove_one(pool)
        more += 1
    while now["places"] > 0 and pool.replicas[now["places"] - 1]["phase"] == GONE:
        now["places"] -= 1
    _find_next(pool)


@compiled
def _remove_one(pool: Pool) -> None:
    """The one ordered last if any is starting, else the ready one with the fewest requests."""
    now = pool.now[0]
    if now["starting"] > 0:
        now["starting"] -= 1
        pool.replicas[_newest(pool)]["phase"] = GONE
        return
    replica = pool.replicas[_emptiest(pool)]
    now["ready"] -= 1
    now["free"] -= now["slots"] - replica["busy"]
    now["in_flight"] -= replica["busy"]
    replica["phase"] = GONE
    if replica["busy"] > 0:
        replica["phase"] = DRAINING
        now["draining"] += 1


@compiled
def _newest(pool: Pool) -> int:
    newest, ready_s = -1, -1.0
    for place in range(pool.now[0]["places"]):
        replica = pool.replicas[place]
        if replica["phase"] == STARTING and replica["ready_s"] > ready_s:
            newest, ready_s = place, replica["ready_s"]
    return newest


@compiled
def _find_next(pool: Pool) -> None:
    next_place, ready_s = -1, NEVER
    if pool.now[0]["starting"] > 0:
        for place in range(pool.now[0]["places"]):
            replica = pool.replicas[place]
            if replica["phase"] == STARTING and replica["ready_s"] < ready_s:
                next_place, ready_s = place, replica["ready_s"]
    pool.now[0]["next"] = next_place


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
            _become_ready(pool)
        elif at_s == end:
            _finish(pool, second)
        else:
            now["tail"] += 1
            pool.seconds[second]["arrived"] += 1
        while now["free"] > 0 and now["head"] < now["tail"]:
            _start(pool, at_s, second)


@compiled
def _become_ready(pool: Pool) -> None:
    now = pool.now[0]
    pool.replicas[now["next"]]["phase"] = READY
    now["starting"] -= 1
    now["ready"] += 1
    now["free"] += now["slots"]
    _find_next(pool)


@compiled
def _finish(pool: Pool, second: int) -> None:
    now, replica = pool.now[0], pool.replicas[pool.heap[0]["place"]]
    pool.seconds[second]["finished"] += 1
    pool.seconds[second]["served_s"] += pool.heap[0]["took_s"]
    pop(pool.heap, now["running"])
    now["running"] -= 1
    replica["busy"] -= 1
    if replica["phase"] == READY:
        now["free"] += 1
        now["in_flight"] -= 1
    elif replica["busy"] == 0:
        replica["phase"] = GONE
        now["draining"] -= 1


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
    place = _emptiest(pool)
    pool.replicas[place]["busy"] += 1
    now["free"] -= 1
    now["in_flight"] += 1
    pool.seconds[second]["started"] += 1
    took_s = pool.service_s[request]
    push(pool.heap, now["running"], at_s + took_s, place, took_s)
    now["running"] += 1


@compiled
def _emptiest(pool: Pool) -> int:
    """The place of the ready replica with the fewest requests."""
    best, fewest = -1, pool.now[0]["slots"] + 1
    for place in range(pool.now[0]["places"]):
        replica = pool.replicas[place]
        if replica["phase"] == READY and replica["busy"] < fewest:
            best, fewest = place, replica["busy"]
            if fewest == 0:
                break
    return best
