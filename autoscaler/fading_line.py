"""Points in, the straight line through them out, older points counting less. Pure."""


class FadingLine:
    """Weighted least squares of y on x.

    half_life: weight after which a point counts half.

    >>> line = FadingLine(half_life=100)
    >>> for x in (1.0, 2.0, 3.0):
    ...     _ = line.learn(x, 5 + 2 * x)
    >>> round(line.slope(), 6), round(line.slope(prior_spread=line.spread), 6)
    (2.0, 1.0)
    """

    def __init__(self, half_life: float) -> None:
        self._half_life = half_life
        self.n = self._x = self._y = self._xx = self._xy = 0.0

    def learn(self, x: float, y: float, weight: float = 1.0) -> float:
        """How much what was there before still counts."""
        keep = float(0.5 ** (weight / self._half_life))
        self.n = keep * self.n + weight
        self._x = keep * self._x + weight * x
        self._y = keep * self._y + weight * y
        self._xx = keep * self._xx + weight * x**2
        self._xy = keep * self._xy + weight * x * y
        return keep

    def fade(self, ratio: float) -> None:
        """The line stays where it is and gives way to new points sooner."""
        self.n, self._x, self._y = ratio * self.n, ratio * self._x, ratio * self._y
        self._xx, self._xy = ratio * self._xx, ratio * self._xy

    @property
    def mean_x(self) -> float:
        return self._x / self.n

    @property
    def mean_y(self) -> float:
        return self._y / self.n

    @property
    def spread(self) -> float:
        """Of x: weighted squares of distances from the mean, together."""
        return max(0.0, self._xx - self.n * self.mean_x**2)

    def slope(self, prior_spread: float = 0.0) -> float:
        """0 where x did not vary; ``prior_spread``: variety it takes to believe in half of it."""
        spread = self.spread + prior_spread
        return (self._xy - self.n * self.mean_x * self.mean_y) / spread if spread > 0 else 0.0
