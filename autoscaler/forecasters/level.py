"""An exponentially weighted mean of one value a second."""


class Level:
    """The mean of all values; one counts half after ``half_life_s`` later ones.

    >>> level = Level(half_life_s=10)
    >>> for second in range(100):
    ...     level.learn(2.0 if second < 90 else 4.0)
    >>> round(level.value, 1)
    3.0
    """

    def __init__(self, half_life_s: float, *, value: float = 0.0, seen: int = 0) -> None:
        """It starts as if ``value`` had been the mean of so many."""
        self._seen = seen
        self.value = value
        self.last(half_life_s)

    def last(self, half_life_s: float) -> None:
        """From now on, a value counts half after so many seconds."""
        self._weight = 1 - 0.5 ** (1 / half_life_s)

    def learn(self, value: float) -> None:
        self._seen += 1
        # The first weights are 1, 1/2, 1/3...: otherwise the level starts out stuck at one value.
        self.value += max(self._weight, 1 / self._seen) * (value - self.value)
