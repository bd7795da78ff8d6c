"""Replicas that are ordered, start, serve, drain and go: what every simulator does alike."""

from typing import Final, Protocol

import numpy as np

from autoscaler.backtest.compiled import compiled
from autoscaler.backtest.heap import Records
from autoscaler.backtest.policy import Shape

GONE: Final = 0
STARTING: Final = 1
READY: Final = 2
DRAINING: Final = 3
ASLEEP: Final = 4
NEVER: Final = 1e300
REPLICA: Final = [("phase", np.int64), ("busy", np.int64), ("ready_s", float)]
NOW: Final = [
    ("slots", np.int64),
    ("cold_start_s", float),
    ("wake_s", float),
    ("max_asleep", np.int64),
    ("patience_s", float),
    ("head", np.int64),  # the request that is next in the queue,
    ("tail", np.int64),  # and the one that has yet to come
    ("in_flight", np.int64),  # requests on ready replicas,
    ("free", np.int64),  # and the slots left there
    ("starting", np.int64),
    ("ready", np.int64),
    ("draining", np.int64),
    ("asleep", np.int64),
    ("places", np.int64),  # beyond these no replica is
    ("next", np.int64),  # the place of the replica that is ready next; -1 if none starts
]
_SEEN: Final = ("arrived", "started", "finished", "in_flight", "queued", "late", "ready")
SECOND: Final = np.dtype(
    [
        ("served_s", float),
        *((name, np.int32) for name in _SEEN),
        ("paid", np.int32),  # replicas starting, ready or draining
        ("asleep", np.int32),
        ("missed", np.int32),  # of those that arrived then, whenever that was found
    ]
)


class Fleet(Protocol):
    """What changes about replicas while a pool lives; ``now`` has one row."""

    @property
    def replicas(self) -> Records: ...
    @property
    def now(self) -> Records: ...
    @property
    def seconds(self) -> Records: ...


def set_up(fleet: Fleet, shape: Shape, ready: int) -> None:
    """So many idle replicas, before the first second."""
    now = fleet.now
    fleet.replicas[:ready]["phase"] = READY
    for rule in ("slots", "cold_start_s", "wake_s", "max_asleep", "patience_s"):
        now[rule] = getattr(shape, rule)
    now["ready"] = now["places"] = ready
    now["free"], now["next"] = ready * shape.slots, -1


def places(shape: Shape, ready: int) -> int:
    """Room for all of them: draining ones stand beside those that came after them."""
    return 2 * max(shape.high, ready) + shape.max_asleep


@compiled
def order(fleet: Fleet, want: int, at_s: float) -> None:
    now = fleet.now[0]
    more = want - now["starting"] - now["ready"]
    woken = _begin(fleet, ASLEEP, min(more, now["asleep"]), at_s + now["wake_s"])
    now["asleep"] -= woken
    more -= woken
    _begin(fleet, GONE, more, at_s + now["cold_start_s"])
    while more < 0 and now["starting"] + now["ready"] > 0:
        _remove_one(fleet)
        more += 1
    while now["places"] > 0 and fleet.replicas[now["places"] - 1]["phase"] == GONE:
        now["places"] -= 1
    _find_next(fleet)


@compiled
def _begin(fleet: Fleet, phase: int, most: int, ready_s: float) -> int:
    """Up to so many of those in the phase are ready then; how many."""
    now, place, begun = fleet.now[0], 0, 0
    while begun < most and place < len(fleet.replicas):
        replica = fleet.replicas[place]
        place += 1
        if replica["phase"] == phase:
            replica["phase"] = STARTING
            replica["ready_s"] = ready_s
            now["starting"] += 1
            now["places"] = max(now["places"], place)
            begun += 1
    return begun


@compiled
def _let_go(fleet: Fleet, place: int) -> None:
    """Of one with nothing to do: it sleeps if there is a bed, else it ends."""
    now = fleet.now[0]
    fleet.replicas[place]["phase"] = GONE
    if now["asleep"] < now["max_asleep"]:
        fleet.replicas[place]["phase"] = ASLEEP
        now["asleep"] += 1


@compiled
def _remove_one(fleet: Fleet) -> None:
    """The one ordered last if any is starting, else the ready one with the fewest requests."""
    now = fleet.now[0]
    if now["starting"] > 0:
        now["starting"] -= 1
        fleet.replicas[_newest(fleet)]["phase"] = GONE
        return
    place = emptiest(fleet)
    replica = fleet.replicas[place]
    now["ready"] -= 1
    now["free"] -= now["slots"] - replica["busy"]
    now["in_flight"] -= replica["busy"]
    if replica["busy"] > 0:
        replica["phase"] = DRAINING
        now["draining"] += 1
    else:
        _let_go(fleet, place)


@compiled
def _newest(fleet: Fleet) -> int:
    newest, ready_s = -1, -1.0
    for place in range(fleet.now[0]["places"]):
        replica = fleet.replicas[place]
        if replica["phase"] == STARTING and replica["ready_s"] > ready_s:
            newest, ready_s = place, replica["ready_s"]
    return newest


@compiled
def _find_next(fleet: Fleet) -> None:
    next_place, ready_s = -1, NEVER
    if fleet.now[0]["starting"] > 0:
        for place in range(fleet.now[0]["places"]):
            replica = fleet.replicas[place]
            if replica["phase"] == STARTING and replica["ready_s"] < ready_s:
                next_place, ready_s = place, replica["ready_s"]
    fleet.now[0]["next"] = next_place


@compiled
def become_ready(fleet: Fleet) -> None:
    now = fleet.now[0]
    fleet.replicas[now["next"]]["phase"] = READY
    now["starting"] -= 1
    now["ready"] += 1
    now["free"] += now["slots"]
    _find_next(fleet)


@compiled
def emptiest(fleet: Fleet) -> int:
    """The place of the ready replica with the fewest requests."""
    best, fewest = -1, fleet.now[0]["slots"] + 1
    for place in range(fleet.now[0]["places"]):
        replica = fleet.replicas[place]
        if replica["phase"] == READY and replica["busy"] < fewest:
            best, fewest = place, replica["busy"]
            if fewest == 0:
                break
    return best


@compiled
def occupy(fleet: Fleet, place: int) -> None:
    """A request gets a slot of the ready replica there."""
    fleet.replicas[place]["busy"] += 1
    fleet.now[0]["free"] -= 1
    fleet.now[0]["in_flight"] += 1


@compiled
def release(fleet: Fleet, place: int) -> None:
    """A request of the replica there has ended."""
    now, replica = fleet.now[0], fleet.replicas[place]
    replica["busy"] -= 1
    if replica["phase"] == READY:
        now["free"] += 1
        now["in_flight"] -= 1
    elif replica["busy"] == 0:
        now["draining"] -= 1
        _let_go(fleet, place)


@compiled
def note(fleet: Fleet, second: int) -> None:
    """How things stand at the end of a second."""
    now, row = fleet.now[0], fleet.seconds[second]
    row["in_flight"] = now["in_flight"]
    row["queued"] = now["tail"] - now["head"]
    row["ready"] = now["ready"]
    row["asleep"] = now["asleep"]
    row["paid"] = now["starting"] + now["ready"] + now["draining"]
