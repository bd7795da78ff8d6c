"""What one replica carries and how long a new one takes, learned from what is seen. Pure."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

from streams.errors import InvalidParameterError
from streams.schemas.scaling import ReplicaStatus

FORGET_AFTER: Final = 200.0
"""Requests after which one counts half."""
FULL_RATIO: Final = 0.8
ENOUGH_AT_FULL: Final = 10.0
PRIOR_SPREAD: Final = 20.0
"""Requests times occupancy squared: how much variety it takes to believe in a slope."""
MAX_STRETCH: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Requests that finished while each replica had ``occupancy`` of ``slots`` slots in use."""

    count: int
    seconds: float
    """How long they held their slots, together."""
    work: float
    """Output tokens, together; the count itself where work is not told in tokens."""
    occupancy: float
    slots: int


class ServiceTime:
    """Seconds that a request holds a slot, given how many share the replica.

    ``work per request * (a + b * n)``: the seconds a unit of work takes are a straight line over
    the requests n at the replica, fitted to what finished, older ones counting less. Where the
    slots of an engine share its tokens per second, requests slow each other down (b > 0); where
    they do not, b is near 0. It is fitted per unit of work because long requests make a replica
    full: taken by request, full replicas would look slow.

    ``full_s(slots)`` is the time in a full replica, so that ``arrivals per second * full_s`` is
    demand in slots, however many replicas share the load at the moment. Without it, demand would
    shrink whenever a replica is added, and the pool would swing.

    It is *identified* once enough requests finished in replicas that were at least 80 % full;
    before that it is read off the line, at most four times what was seen.

    >>> times = ServiceTime()
    >>> for n in (1.0, 2.0, 3.0) * 60:
    ...     times.learn(Served(count=1, seconds=2.0 + n, work=10, occupancy=n, slots=4))
    >>> times.identified, round(times.full_s(4), 1)
    (False, 5.6)
    """

    def __init__(self) -> None:
        self._n = self._work = self._x = self._y = self._xx = self._xy = 0.0
        self._at_full = 0.0

    def learn(self, served: Served) -> None:
        """Raises InvalidParameterError for times or work that cannot be."""
        if not (math.isfinite(served.seconds) and served.seconds >= 0):
            raise InvalidParameterError("seconds", served.seconds, "finite and at least 0")
        if not (served.work > 0 and served.count > 0):
            raise InvalidParameterError("work", served.work, "more than 0, as the count")
        count, x, y = served.count, served.occupancy, served.seconds / served.work
        keep = 0.5 ** (count / FORGET_AFTER)
        self._n = keep * self._n + count
        self._work = keep * self._work + served.work
        self._x = keep * self._x + count * x
        self._y = keep * self._y + count * y
        self._xx = keep * self._xx + count * x**2
        self._xy = keep * self._xy + count * x * y
        full = x >= FULL_RATIO * served.slots
        self._at_full = keep * self._at_full + (count if full else 0)

    @property
    def known(self) -> bool:
        """Something finished."""
        return self._n >= 1

    @property
    def identified(self) -> bool:
        """Enough was seen of full replicas lately."""
        return self._at_full >= ENOUGH_AT_FULL

    def full_s(self, slots: float) -> float:
        """Serving time where ``slots`` requests share a replica; 0 before anything finished."""
        if not self.known:
            return 0.0
        mean_x, mean_y = self._x / self._n, self._y / self._n
        spread = max(0.0, self._xx - self._n * mean_x**2)
        slope = max(0.0, (self._xy - self._n * mean_x * mean_y) / (spread + PRIOR_SPREAD))
        per_work = min(max(mean_y, mean_y + slope * (slots - mean_x)), MAX_STRETCH * mean_y)
        return per_work * self._work / self._n


class LeadTime:
    """Seconds from ordering a replica to its being ready: the upper median of the last twenty.

    >>> lead = LeadTime(prior_s=8)
    >>> lead.seconds()
    8.0
    """

    def __init__(self, prior_s: float) -> None:
        self.prior_s = float(prior_s)
        self._seen: deque[float] = deque(maxlen=20)
        self._replicas: deque[str] = deque(maxlen=200)

    def see(self, replica: ReplicaStatus) -> None:
        """Takes each replica once, when it is ready and says when it was ordered."""
        if replica.state != "ready" or not replica.ordered_at_us:
            return
        if replica.replica in self._replicas or replica.since_us < replica.ordered_at_us:
            return
        self._replicas.append(replica.replica)
        self._seen.append((replica.since_us - replica.ordered_at_us) / 1e6)

    @property
    def learned(self) -> bool:
        return bool(self._seen)

    def seconds(self) -> float:
        ordered = sorted(self._seen)
        return ordered[len(ordered) // 2] if ordered else self.prior_s
