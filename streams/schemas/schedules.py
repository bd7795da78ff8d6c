"""What people know of a pool's future: when, and what then."""

from typing import Final, Literal

from streams.schemas.base import Record

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: Final[tuple[Weekday, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Schedule(Record, frozen=True, kw_only=True):
    """Once from ``from_us`` to ``until_us``; or, where ``at`` is given, again and again between.

    Replicas for it are ready when it begins: they are ordered a lead time before.
    """

    from_us: int = 0
    until_us: int | None = None
    """None: it comes again without end."""
    at: str = ""
    """`18:00` by the clocks of ``zone``, on each of ``weekdays``, for ``lasts_s`` by them."""
    weekdays: tuple[Weekday, ...] = ()
    zone: str = "UTC"
    """`Europe/Berlin`, ...: a name of the IANA time zone database."""
    lasts_s: float = 0.0
    min_replicas: int | None = None
    max_replicas: int | None = None
    times: float | None = None
    """So many times the usual demand is expected at least."""
    rate_per_s: float | None = None
    """So many requests a second are expected at least."""

    @property
    def expects(self) -> bool:
        """Whether it says something of demand, so that what comes then is not usual."""
        return self.times is not None or self.rate_per_s is not None
