"""Every forecaster that the blend listens to, by name.

To add one: write it in a file of its own here, add a line below, run ``make check``.
tests/conformance/test_forecasters.py then tests it like all the others.
"""

from collections.abc import Callable, Mapping
from typing import Final

from autoscaler.forecasters.base import Forecaster
from autoscaler.forecasters.peak import Peak
from autoscaler.forecasters.recent import Recent
from autoscaler.forecasters.returning import Returning
from autoscaler.forecasters.seasonal import Seasonal

FORECASTERS: Final[Mapping[str, Callable[[], Forecaster]]] = {
    "peak": Peak,
    "recent": Recent,
    "returning": Returning,
    "seasonal": Seasonal,
}
