"""Several forecasters in one, each weighted by how well it did lately at the asked horizon."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from autoscaler.forecasters.hindcast import Hindcast, errors_of
from autoscaler.forecasters.last_value import LastValue
from autoscaler.forecasters.seasonal_naive import SeasonalNaive
from autoscaler.forecasters.smooth import Smooth
from autoscaler.forecasters.trend import Trend
from streams.windows.table import Floats

JUDGED: Final = (0.5, 0.9)
"""Quantiles whose pinball loss decides the weights."""
SHARPNESS: Final = 4.0
"""A member with half the loss of another gets 2**SHARPNESS of its weight."""


class Blend(Hindcast):
    """``forecast = sum of weight * member``, ``weight ~ (recent pinball loss) ** -SHARPNESS``."""

    def __init__(
        self, *, step_s: float = 1.0, memory: int = 900, members: Sequence[Hindcast] = ()
    ) -> None:
        super().__init__(step_s=step_s, memory=memory)
        self._members = members or tuple(
            kind(step_s=step_s, memory=memory) for kind in (LastValue, Smooth, Trend, SeasonalNaive)
        )

    def points(self, steps: int) -> Floats:
        values = self.values()
        each = [np.maximum(member.points(steps), 0.0) for member in self._members]
        losses = np.array([loss(errors_of(points, values, steps)) for points in each])
        weights = (losses / losses.min()) ** -SHARPNESS
        weighted: Floats = np.average(np.array(each), axis=0, weights=weights)
        return weighted

    def learn(self, at: int, value: float) -> None:
        for member in self._members:
            member.take(at, value)


def loss(errors: Floats) -> float:
    """Mean pinball loss of the errors round their own quantiles, above 0: how sharp a member is."""
    if not errors.size:
        return 1.0
    judged = np.array(JUDGED)[:, None]
    rest = errors - np.quantile(errors, JUDGED)[:, None]
    return 1e-6 + float(np.maximum(judged * rest, (judged - 1) * rest).mean())
