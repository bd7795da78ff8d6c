"""Every scaler that ours is compared with, by name, and the settings its curve is drawn from.

To add one: write it in a file of its own here, add a line below, run ``make check``.
tests/conformance/test_peers.py then tests it like all the others.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from autoscaler.backtest.peers.aibrix import Aibrix, AibrixHighest
from autoscaler.backtest.peers.aws import Aws
from autoscaler.backtest.peers.dynamo import Dynamo
from autoscaler.backtest.peers.hpa import Hpa, HpaConcurrency
from autoscaler.backtest.peers.keda import QUEUE, Keda, KedaQueue
from autoscaler.backtest.peers.knative import Knative
from autoscaler.backtest.peers.last_value import LastValue
from autoscaler.backtest.peers.predictive_hpa import PredictiveHpa
from autoscaler.backtest.peers.ray_serve import RayServe
from autoscaler.backtest.peers.staffing import Staffing
from autoscaler.backtest.policy import Policy, Shape

TARGETS: Final = (0.4, 0.55, 0.7, 0.85)
"""Share of each replica's slots that is meant to be in use."""
QUANTILES: Final = (0.998, 0.99, 0.95, 0.8)


@dataclass(frozen=True, slots=True)
class Peer:
    make: Callable[[Shape, float], Policy]
    settings: tuple[float, ...] = TARGETS
    """From most to least headroom."""
    usual: float = 0.7
    """What its documentation or tutorial sets."""


PEERS: Final[Mapping[str, Peer]] = {
    "aibrix": Peer(Aibrix),
    "aibrix_highest": Peer(AibrixHighest),
    "aws": Peer(Aws),
    "dynamo": Peer(Dynamo),
    "hpa": Peer(Hpa),
    "hpa_concurrency": Peer(HpaConcurrency),
    "keda": Peer(Keda),
    "keda_queue": Peer(KedaQueue, (QUEUE,), QUEUE),
    "knative": Peer(Knative),
    "last_value": Peer(LastValue),
    "predictive_hpa": Peer(PredictiveHpa),
    "ray_serve": Peer(RayServe),
    "staffing": Peer(Staffing, QUANTILES, 0.95),
}
