"""The highest of the values seen lately, at a constant cost each."""

from collections import deque


class Highest:
    """Of the values at instants after ``newest - span``; instants ascend, in any unit.

    >>> highest = Highest(span=3)
    >>> [highest.see(at, value) for at, value in enumerate([1, 5, 2, 3, 1])]
    [1, 5, 5, 5, 3]
    """

    def __init__(self, span: int) -> None:
        self.span = span
        # Only what nothing newer exceeds can still become the highest: values descend.
        self._falling: deque[tuple[int, float]] = deque()

    def see(self, at: int, value: float) -> float:
        """Take it in; the highest with it."""
        while self._falling and self._falling[-1][1] <= value:
            self._falling.pop()
        self._falling.append((at, value))
        return self.since(at)

    def since(self, now: int) -> float:
        """The highest lately at ``now``; 0 if there was nothing."""
        while self._falling and self._falling[0][0] <= now - self.span:
            self._falling.popleft()
        return self._falling[0][1] if self._falling else 0
