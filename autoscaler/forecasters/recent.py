"""Demand stays as it is: the baseline every other forecaster must beat."""

from autoscaler.forecasters.level import Level


class Recent:
    """The mean of the last ten seconds, or of the last minute where that is higher.

    A dip of seconds is over sooner than a replica that was let go is back.
    """

    def __init__(self) -> None:
        self._seconds, self._minute = Level(10), Level(60)

    def aim(self, horizon_s: float) -> None:
        pass

    def learn(self, second: int, demand: float) -> None:
        del second
        self._seconds.learn(demand)
        self._minute.learn(demand)

    def expects(self) -> float:
        return max(self._seconds.value, self._minute.value)
