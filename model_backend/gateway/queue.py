"""Who waits for a replica of a pool, and who is next."""

from collections import deque
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar


class Waiting(Protocol):
    """Whatever waits; identity, not equality, tells two apart."""

    @property
    def tenant(self) -> str: ...


W = TypeVar("W", bound=Waiting)


class FairQueue(Generic[W]):
    """Bounded; tenants take turns, and within a tenant who came first goes first.

    So a tenant that sends a thousand delays another that sends one by one request, not by a
    thousand. When ``limit`` wait, ``put`` refuses the next.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lines: dict[str, deque[W]] = {}
        """In order of turns: a tenant that was served goes to the end."""
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[W]:
        return iter([waiting for line in self._lines.values() for waiting in line])

    def put(self, waiting: W) -> bool:
        """To the end of its tenant's line; False if the queue is full."""
        if self._size >= self._limit:
            return False
        self._lines.setdefault(waiting.tenant, deque()).append(waiting)
        self._size += 1
        return True

    def put_back(self, waiting: W) -> None:
        """First of all: it had its turn, and lost its replica through no fault of its own.

        Not refused when full: what was served before is bounded by the slots of the replicas.
        """
        line = self._lines.pop(waiting.tenant, deque())
        line.appendleft(waiting)
        self._lines = {waiting.tenant: line, **self._lines}
        self._size += 1

    def peek(self) -> W | None:
        for line in self._lines.values():
            return line[0]
        return None

    def pop(self) -> W | None:
        """The next one; its tenant's turn comes again after all others'."""
        for tenant, line in self._lines.items():
            waiting = line.popleft()
            del self._lines[tenant]
            if line:
                self._lines[tenant] = line
            self._size -= 1
            return waiting
        return None

    def remove(self, waiting: W) -> bool:
        """Take out one that no longer waits; False if it is not here."""
        line = self._lines.get(waiting.tenant)
        if line is None or waiting not in line:
            return False
        line.remove(waiting)
        if not line:
            del self._lines[waiting.tenant]
        self._size -= 1
        return True
