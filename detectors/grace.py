"""Changes in, what they excuse out: who is starting, stopped on purpose, or lost."""

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final, Literal

from detectors.verdicts import Verdicts, VerdictsState
from detectors.worth import Worth, WorthState
from streams.schemas.telemetry import Change

SECOND_US: Final = 1_000_000
MAX_WAITING: Final = 10_000
"""Changes that wait for windows to pass; of more, the earliest is known too soon."""
MAX_OBJECTS: Final = 4_096
"""Pools and replicas remembered; the one that changed longest ago makes room."""
START_US: Final = 600 * SECOND_US
"""A replica that has not said it is ready by then is judged like any other."""
LOST_US: Final = 5 * SECOND_US
"""So long the word that a replica was lost counts as it not answering."""
GRACED: Final = frozenset(
    {
        "scaled",
        "replica_started",
        "replica_ready",
        "replica_stopped",
        "taken_back",
        "deployed",
        "configured",
        "model_loaded",
        "node_maintenance",
    }
)

WIDE: Final = frozenset({"deployed", "configured", "model_loaded"})
"""Of a pool, these change every replica in it; that it was scaled does not."""

Key = tuple[str, str, str]
"""(cluster, pool, replica); replica is empty for the pool. Of a node: (cluster, "", node)."""


@dataclass(slots=True)
class _Known:
    changed_us: int = -1
    """Of the last change that has a grace."""
    wide_us: int = -1
    """Of the last one that reaches every replica of a pool."""
    off_us: int = -1
    on_us: int = 0
    """From ``off_us`` until ``on_us`` it is not meant to answer; 0: for good."""
    lost_us: int = -1


@dataclass(slots=True, kw_only=True)
class GraceState:
    """Everything a snapshot has to keep."""

    known: dict[Key, _Known] = field(default_factory=dict)
    """The one that changed longest ago first."""
    waiting: list[tuple[int, Change]] = field(default_factory=list)
    """In the order of the instants from which they are known."""
    verdicts: VerdictsState = field(default_factory=VerdictsState)
    worth: WorthState = field(default_factory=WorthState)
    schema: Literal[3] = 3


class Grace:
    """What is known of each pool and replica from changes; event times decide, not arrival.

    A change waits until the windows have come so far as its own time and the log's: how far ahead
    of the windows the log of changes has been read must not matter.

    grace_us: how long learned detectors start nothing on an object that was changed.
    """

    def __init__(self, *, grace_us: int) -> None:
        self._grace_us = grace_us
        self.verdicts = Verdicts()
        self.worth = Worth()
        self._state = GraceState(verdicts=self.verdicts.state, worth=self.worth.state)

    @property
    def state(self) -> GraceState:
        return self._state

    @state.setter
    def state(self, state: GraceState) -> None:
        self._state, self.verdicts.state = state, state.verdicts
        self.worth.state = state.worth

    def wait(self, change: Change, passed_us: int) -> None:
        """Windows that end at or before ``passed_us`` do not know of the change."""
        waiting = self.state.waiting
        insort(waiting, (max(change.at_us, passed_us), change), key=itemgetter(0))
        if len(waiting) > MAX_WAITING:
            self.take(waiting.pop(0)[1])

    def advance(self, end_us: int) -> None:
        """What a window that ends at ``end_us`` knows of is known from now on."""
        waiting = self.state.waiting
        while waiting and waiting[0][0] < end_us:
            self.take(waiting.pop(0)[1])

    def take(self, change: Change) -> None:
        """It is known from now on."""
        self.worth.take(change)
        if change.kind == "feedback":
            self.verdicts.take(change)
        elif change.pool:
            self._note((change.cluster, change.pool, change.replica), change)
        elif change.node:
            self._note((change.cluster, "", change.node), change)

    def _note(self, key: Key, change: Change) -> None:
        objects = self.state.known
        known = objects.pop(key, None) or _Known()
        objects[key] = known
        if len(objects) > MAX_OBJECTS:
            del objects[next(iter(objects))]
        if change.kind in GRACED:
            known.changed_us = max(known.changed_us, change.at_us)
        if change.kind in WIDE:
            known.wide_us = max(known.wide_us, change.at_us)
        match change.kind:
            case "replica_started":
                known.off_us, known.on_us = change.at_us, change.at_us + START_US
            case "replica_stopped":
                known.off_us, known.on_us = change.at_us, 0
            case "replica_ready":
                known.on_us = change.at_us
            case "replica_lost":
                known.lost_us = change.at_us
            case _:
                pass

    def excused(self, labels: Mapping[str, str], at_us: int, interval_us: int) -> bool:
        """The window at ``at_us`` lies in the grace of its own pool, replica or node."""
        own, pool = self._of(labels), self._of({**labels, "replica": ""})
        node = self.state.known.get((labels.get("cluster", ""), "", labels.get("node", "")))
        changes = (
            own.changed_us if own else -1,
            pool.wide_us if pool else -1,
            node.changed_us if node else -1,
        )
        return any(us >= 0 and us - interval_us < at_us < us + self._grace_us for us in changes)

    def off(self, labels: Mapping[str, str], at_us: int, interval_us: int) -> bool:
        """The replica is starting, or was stopped on purpose."""
        known = self._of(labels)
        if known is None or known.off_us < 0 or at_us + interval_us <= known.off_us:
            return False
        return known.on_us == 0 or at_us < known.on_us

    def lost(self, at_us: int) -> list[dict[str, str]]:
        """Labels of replicas that were said to be lost shortly before ``at_us``."""
        return [
            {"cluster": cluster, "pool": pool, "replica": replica}
            for (cluster, pool, replica), known in self.state.known.items()
            if replica and 0 <= known.lost_us <= at_us < known.lost_us + LOST_US
        ]

    def was_lost(self, labels: Mapping[str, str], since_us: int) -> bool:
        """Somebody said that the replica was lost, at ``since_us`` or only just before."""
        known = self._of(labels)
        return known is not None and known.lost_us >= since_us - LOST_US

    def _of(self, labels: Mapping[str, str]) -> _Known | None:
        return self.state.known.get(
            (labels.get("cluster", ""), labels.get("pool", ""), labels.get("replica", ""))
        )
