"""Every forecaster, by the name used in settings.

To add one: write it in a file of its own here, add a line below, run ``make check``.
tests/conformance/test_forecasters.py then tests it like all the others.
"""

from collections.abc import Callable, Mapping
from typing import Final

from autoscaler.forecasters.base import Forecaster
from autoscaler.forecasters.blend import Blend
from autoscaler.forecasters.last_value import LastValue
from autoscaler.forecasters.seasonal_naive import SeasonalNaive
from autoscaler.forecasters.smooth import Smooth
from autoscaler.forecasters.trend import Trend

FORECASTERS: Final[Mapping[str, Callable[..., Forecaster]]] = {
    "blend": Blend,
    "last_value": LastValue,
    "seasonal_naive": SeasonalNaive,
    "smooth": Smooth,
    "trend": Trend,
}
