"""Every detector, by the name used in settings.

To add one: write it in a file of its own here, add a line below, run ``make check``.
tests/conformance/test_banks.py then tests it like all the others.
"""

from collections.abc import Callable, Mapping
from typing import Final

from detectors.banks.apart import ApartBank
from detectors.banks.base import Bank
from detectors.banks.burn_rate import BurnRateBank
from detectors.banks.cusum import CusumBank
from detectors.banks.ensemble import EnsembleBank
from detectors.banks.ewma import EwmaBank
from detectors.banks.fellows import FellowsBank
from detectors.banks.flat_line import FlatLineBank
from detectors.banks.isolation_forest import IsolationForestBank
from detectors.banks.limit import LimitBank
from detectors.banks.mahalanobis import MahalanobisBank
from detectors.banks.neighbours import NeighboursBank
from detectors.banks.resets import ResetsBank
from detectors.banks.rise import RiseBank
from detectors.banks.river import RiverBank
from detectors.banks.robust import RobustBank
from detectors.banks.seasonal import SeasonalBank
from detectors.banks.shift import ShiftBank
from detectors.banks.silence import SilenceBank
from detectors.banks.together import TogetherBank
from detectors.banks.unrest import UnrestBank

BANKS: Final[Mapping[str, Callable[..., Bank]]] = {
    "apart": ApartBank,
    "burn_rate": BurnRateBank,
    "cusum": CusumBank,
    "ensemble": EnsembleBank,
    "ewma": EwmaBank,
    "fellows": FellowsBank,
    "flat_line": FlatLineBank,
    "isolation_forest": IsolationForestBank,
    "limit": LimitBank,
    "mahalanobis": MahalanobisBank,
    "neighbours": NeighboursBank,
    "resets": ResetsBank,
    "rise": RiseBank,
    "river": RiverBank,
    "robust": RobustBank,
    "seasonal": SeasonalBank,
    "shift": ShiftBank,
    "silence": SilenceBank,
    "together": TogetherBank,
    "unrest": UnrestBank,
}
