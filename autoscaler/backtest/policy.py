"""What a scaling policy may look at in a backtest, and what it answers."""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


SLO_QUEUE_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What does not change about a pool while it is looked at."""

    slots: int
    """Requests a replica serves at once, as configured."""
    cold_start_s: float
    """From the order of a replica until it is ready; paid for."""
    tick_s: int = 15
    """Between two decisions."""
    age_s: int = 15
    """How old the newest second is that a policy sees."""
    slo_queue_s: float = SLO_QUEUE_S
    """A request that waits longer for a slot is a miss."""
    patience_s: float = 60.0
    """A request that has waited this long is given up by its client."""
    low: int = 1
    high: int = 1_000
    max_asleep: int = 0
    """So many of those no longer needed sleep, and are ready"""
    wake_s: float = 0.0
    """so long after they are ordered."""
    deadline_s: float = 0.0
    """Requests are jobs that must have ended so long after they came, and wait; 0: they do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """One number for each second of the run, at its index. Never written by a policy.

    Beyond ``Seen.until_s`` lies the future, whatever stands there.
    """

    arrived: Counts
    """Requests that came, also those given up later."""
    started: Counts
    """Requests that got a slot."""
    finished: Counts
    """Requests that ended, on draining replicas too."""
    served_s: Floats
    """How long those that ended had held their slots, together."""
    in_flight: Counts
    """Requests in slots of ready replicas at the end of the second."""
    queued: Counts
    """Requests waiting at the end of the second."""
    late: Counts
    """Requests that got a slot, or were given up, after a wait longer than the SLO."""
    ready: Counts
    """Replicas that were ready at the end of the second."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known at the instant of a decision; a new one for each, the arrays are the same."""

    now_s: int
    """The instant of the decision, in seconds since the trace began."""
    until_s: int
    """``seconds`` is known before this index: ``now_s - age_s``."""
    ready: int
    """Replicas ready now; what orchestrates them tells this without delay."""
    starting: int
    """Replicas ordered that are not ready yet."""
    seconds: Seconds
    shape: Shape
    asleep: int = 0

    @property
    def ordered(self) -> int:
        return self.ready + self.starting

    def mean(self, column: Counts, over_s: int) -> float:
        """Of the newest ``over_s`` seconds that are known; 0 before the first."""
        since = max(0, self.until_s - over_s)
        return float(column[since : self.until_s].mean()) if self.until_s else 0.0


class Policy(Protocol):
    """Decides for one pool in one run, and keeps what it remembers in itself.

    A policy is made for each run by a function ``(Shape) -> Policy``. The same situations in the
    same order give the same answers: no clock, no randomness that is not seeded.
    """

    def decide(self, seen: Seen) -> int:
        """How many replicas should be ready or starting; ``Shape.low`` to ``high`` is enforced."""
        ...
