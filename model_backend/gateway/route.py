"""Which replica takes the next request."""

from collections.abc import Collection, Iterable
from typing import Protocol, TypeVar


class Candidate(Protocol):
    """A replica as the choice sees it."""

    @property
    def replica(self) -> str: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def has_room(self) -> bool:
        """Ready, neither draining nor set aside, with a free slot."""
        ...

    @property
    def doubtful(self) -> bool:
        """It may have stopped to answer."""
        ...

    @property
    def taken_at_us(self) -> int:
        """When it last got a request."""
        ...


C = TypeVar("C", bound=Candidate)


def choose(candidates: Iterable[C], avoid: Collection[str] = ()) -> C | None:
    """The one with the fewest requests in flight among those with room, or None.

    Of equals, the one that has waited longest. A doubtful one, or one to ``avoid`` (this request
    failed there), is taken only if no other has room.
    """

    def rank(candidate: C) -> tuple[bool, int, int, str]:
        return (
            candidate.doubtful or candidate.replica in avoid,
            candidate.in_flight,
            candidate.taken_at_us,
            candidate.replica,
        )

    return min((one for one in candidates if one.has_room), key=rank, default=None)
