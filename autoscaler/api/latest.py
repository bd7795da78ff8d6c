"""Newest record of each key, bounded."""

from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Latest(Generic[K, V]):
    """A table in which the newest record of a key wins; when full, the longest unchanged goes.

    ``spare`` says which records should rather stay (an open incident); they go only when all do.

    >>> table: Latest[str, int] = Latest(2)
    >>> for key, value in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
    ...     table.put(key, value)
    >>> sorted(table.values())
    [3, 4]
    """

    def __init__(self, limit: int, *, spare: Callable[[V], bool] | None = None) -> None:
        self.limit = limit
        self.evicted = 0
        self._spare = spare
        self._rows: dict[K, V] = {}

    def put(self, key: K, value: V) -> None:
        self._rows.pop(key, None)
        self._rows[key] = value
        if len(self._rows) > self.limit:
            del self._rows[self._oldest()]
            self.evicted += 1

    def drop(self, key: K) -> None:
        self._rows.pop(key, None)

    def get(self, key: K) -> V | None:
        return self._rows.get(key)

    def values(self) -> Iterator[V]:
        """Longest unchanged first."""
        return iter(tuple(self._rows.values()))

    def __len__(self) -> int:
        return len(self._rows)

    def _oldest(self) -> K:
        keys = iter(self._rows)
        first = next(keys)
        if self._spare is None:
            return first
        return next((key for key, row in self._rows.items() if not self._spare(row)), first)
