"""How long a request holds a slot, learned from those that finished. Pure."""

import math
from dataclasses import dataclass
from typing import Final

from autoscaler.fading_line import FadingLine
from streams.errors import InvalidParameterError

FORGET_AFTER: Final = 200.0
"""Requests after which one counts half."""
FULL_RATIO: Final = 0.8
ENOUGH_AT_FULL: Final = 10.0
PRIOR_SPREAD: Final = 20.0
"""Requests times occupancy squared: how much variety it takes to believe in a slope."""
MAX_STRETCH: Final = 4.0
DOUBT_RATIO: Final = 0.1
"""Of what was learned, how much still counts once engine or model have changed."""


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
        self._line = FadingLine(FORGET_AFTER)
        self._work = self._at_full = 0.0

    def learn(self, served: Served) -> None:
        """Raises InvalidParameterError for times or work that cannot be."""
        if not (math.isfinite(served.seconds) and served.seconds >= 0):
            raise InvalidParameterError("seconds", served.seconds, "finite and at least 0")
        if not (served.work > 0 and served.count > 0):
            raise InvalidParameterError("work", served.work, "more than 0, as the count")
        keep = self._line.learn(served.occupancy, served.seconds / served.work, served.count)
        self._work = keep * self._work + served.work
        full = served.occupancy >= FULL_RATIO * served.slots
        self._at_full = keep * self._at_full + (served.count if full else 0)

    def doubt(self) -> None:
        """Another engine or model may be served: what comes now counts more, and full ones anew."""
        self._line.fade(DOUBT_RATIO)
        self._work *= DOUBT_RATIO
        self._at_full = 0.0

    @property
    def known(self) -> bool:
        """Something finished."""
        return self._work > 0

    @property
    def identified(self) -> bool:
        """Enough was seen of full replicas lately."""
        return self._at_full >= ENOUGH_AT_FULL

    def full_s(self, slots: float) -> float:
        """Serving time where ``slots`` requests share a replica; 0 before anything finished."""
        if not self.known:
            return 0.0
        line = self._line
        slope = max(0.0, line.slope(PRIOR_SPREAD))
        stretched = max(line.mean_y, line.mean_y + slope * (slots - line.mean_x))
        return min(stretched, MAX_STRETCH * line.mean_y) * self._work / line.n
