"""Every contender of `tidegate bench scale`: the bounds, Tidegate, and the policies of others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from autoscaler.backtest.clairvoyant import PRICES, Blocks, Clairvoyant, blocks, calm, plan
from autoscaler.backtest.hindsight import HEADROOMS, Hindsight
from autoscaler.backtest.known_rate import MARGINS, KnownRate, mean_loads
from autoscaler.backtest.ours import ThroughKeda, Tidegate
from autoscaler.backtest.peers import PEERS
from autoscaler.backtest.policy import SLO_QUEUE_S, Floats, Policy, Shape
from autoscaler.backtest.trace import Trace, load

CAREFUL: Final = (150.0, 25.0)
"""Plans by half the SLO, at a tenth of the price: a block is tried as if none waited before it."""
CALM_S: Final = (300.0, 600.0, 1_200.0, 2_400.0, 4_800.0, 9_600.0)
"""Dips shorter than so long are filled: a plan with fewer reversals."""
CALM_PRICE: Final = 2.5
BUDGETS: Final = (0.001, 0.005, 0.01, 0.02)
USUAL_BUDGET: Final = 0.01


@dataclass(frozen=True, slots=True)
class Contender:
    make: Callable[[str, Shape, float], Policy]
    """Path of the trace, shape of the pool, setting."""
    settings: tuple[float, ...]
    """From most to least headroom."""
    usual: float
    tick_s: int = 15
    age_s: int = 15
    knows: bool = False
    """The trace, and plans for replicas that are slots: no bound elsewhere."""


@lru_cache(maxsize=1)
def loaded(path: str) -> Trace:
    return load(Path(path))


@lru_cache(maxsize=2)
def blocks_of(path: str, slo_queue_s: float = SLO_QUEUE_S) -> Blocks:
    return blocks(loaded(path), slo_queue_s)


@lru_cache(maxsize=1)
def _loads_of(path: str) -> Floats:
    return mean_loads(loaded(path))


def _clairvoyant(path: str, shape: Shape, price: float) -> Policy:
    trace, slo_queue_s = loaded(path), SLO_QUEUE_S
    if price in CAREFUL:
        slo_queue_s, price = SLO_QUEUE_S / 2, price / 10
    price_s = price * trace.mean_service_s / trace.slots
    return Clairvoyant(plan(blocks_of(path, slo_queue_s), price_s, shape.cold_start_s))


def _calm(path: str, shape: Shape, calm_s: float) -> Policy:
    trace = loaded(path)
    price_s = CALM_PRICE * trace.mean_service_s / trace.slots
    return Clairvoyant(calm(plan(blocks_of(path), price_s, shape.cold_start_s), calm_s))


def _alone(make: Callable[[Shape, float], Policy]) -> Callable[[str, Shape, float], Policy]:
    """A contender that does not know the trace."""
    return lambda _, shape, setting: make(shape, setting)


CONTENDERS: Final[Mapping[str, Contender]] = {
    "clairvoyant": Contender(_clairvoyant, (*CAREFUL, *PRICES[::-1]), PRICES[-1], knows=True),
    "clairvoyant_calm": Contender(_calm, CALM_S[::-1], CALM_S[0], knows=True),
    "known_rate": Contender(
        lambda path, shape, margin: KnownRate(shape, _loads_of(path), margin),
        MARGINS,
        MARGINS[2],
        tick_s=5,
        age_s=2,
        knows=True,
    ),
    "hindsight": Contender(_alone(Hindsight), HEADROOMS, 1.3, tick_s=5, age_s=2),
    "tidegate": Contender(_alone(Tidegate), BUDGETS, USUAL_BUDGET, tick_s=1, age_s=2),
    "tidegate_15s": Contender(_alone(Tidegate), BUDGETS, USUAL_BUDGET),
    "tidegate_keda": Contender(_alone(ThroughKeda), BUDGETS, USUAL_BUDGET, tick_s=1, age_s=2),
    **{
        name: Contender(_alone(peer.make), peer.settings, peer.usual)
        for name, peer in PEERS.items()
    },
}
