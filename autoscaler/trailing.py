"""Means of the newest values of a row, over any number of them."""

from collections import deque


class Trailing:
    """The last values of a row, ``longest`` at most.

    >>> row = Trailing(longest=3)
    >>> for value in (9, 1, 2, 6):
    ...     row.see(value)
    >>> row.mean(1), row.mean(3), row.mean(10)
    (6.0, 3.0, 3.0)
    """

    def __init__(self, longest: int) -> None:
        self._sums: deque[float] = deque([0.0], maxlen=longest + 1)

    def see(self, value: float) -> None:
        self._sums.append(self._sums[-1] + value)

    def mean(self, count: int) -> float:
        """Of the newest ``count`` or as many as there are; 0 if none."""
        count = min(count, len(self._sums) - 1)
        return (self._sums[-1] - self._sums[-1 - count]) / count if count else 0.0
