"""Every contender of `tidegate bench scale`, and one run of one of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from time import process_time
from typing import Final, NamedTuple

from autoscaler.backtest.clairvoyant import PRICES, Blocks, Clairvoyant, blocks, plan
from autoscaler.backtest.hindsight import HEADROOMS, Hindsight
from autoscaler.backtest.ours import ThroughKeda, Tidegate
from autoscaler.backtest.outcome import Outcome, outcome
from autoscaler.backtest.peers import PEERS
from autoscaler.backtest.policy import SLO_QUEUE_S, Policy, Seen, Shape
from autoscaler.backtest.run import run
from autoscaler.backtest.trace import Trace, load

COLD_STARTS_S: Final = (30, 120, 300)
CAREFUL: Final = (150.0, 25.0)
"""Plans by half the SLO, at a tenth of the price: a block is tried as if none waited before it."""
DEFAULT: Final = 0.0
"""The setting of a policy that has none."""
MISSED: Final = 0.001
"""How much a pool that never changes may miss, to be called large enough."""


class Limits(NamedTuple):
    """Replicas a run begins with, and how many it may have."""

    first: int
    high: int


@dataclass(frozen=True, slots=True)
class Contender:
    make: Callable[[str, Shape, float], Policy]
    """Path of the trace, shape of the pool, setting."""
    settings: tuple[float, ...]
    """From most to least headroom."""
    usual: float
    tick_s: int = 15
    age_s: int = 15


@dataclass(frozen=True, slots=True)
class Entry:
    """One run: who, on what."""

    path: str
    cold_start_s: int
    contender: str
    setting: float


class Static:
    """Never changes."""

    def decide(self, seen: Seen) -> int:
        return seen.ordered


def play(entry: Entry, limits: Limits | None = None) -> Outcome:
    trace, who = loaded(entry.path), CONTENDERS[entry.contender]
    first, high = limits or usual_limits(entry.path)
    shape = Shape(
        slots=trace.slots,
        cold_start_s=entry.cold_start_s,
        tick_s=who.tick_s,
        age_s=who.age_s,
        high=high,
    )
    return outcome(
        run(trace, shape, lambda shape: who.make(entry.path, shape, entry.setting), first)
    )


def play_timed(entry: Entry, limits: Limits | None) -> tuple[Outcome, float]:
    """And the seconds of CPU it took."""
    loaded(entry.path)
    began_s = process_time()
    return play(entry, limits), process_time() - began_s


@lru_cache(maxsize=1)
def loaded(path: str) -> Trace:
    return load(Path(path))


@lru_cache(maxsize=2)
def _blocks(path: str, slo_queue_s: float = SLO_QUEUE_S) -> Blocks:
    return blocks(loaded(path), slo_queue_s)


@lru_cache(maxsize=16)
def usual_limits(path: str) -> Limits:
    """The fewest that would do without scaling to begin with; at most, that nobody need wait."""
    trace = loaded(path)
    low, peak = 1, int(_blocks(path).replicas.max())
    high = peak
    while low < high:
        middle = (low + high) // 2
        shape = Shape(slots=trace.slots, cold_start_s=0, tick_s=300)
        missed = outcome(run(trace, shape, lambda _: Static(), middle)).missed_ratio
        low, high = (low, middle) if missed <= MISSED else (middle + 1, high)
    return Limits(low, peak)


def _clairvoyant(path: str, shape: Shape, price: float) -> Policy:
    trace, slo_queue_s = loaded(path), SLO_QUEUE_S
    if price in CAREFUL:
        slo_queue_s, price = SLO_QUEUE_S / 2, price / 10
    price_s = price * trace.mean_service_s / trace.slots
    return Clairvoyant(plan(_blocks(path, slo_queue_s), price_s, shape.cold_start_s))


def _alone(make: Callable[[Shape, float], Policy]) -> Callable[[str, Shape, float], Policy]:
    """A contender that does not know the trace."""
    return lambda _, shape, setting: make(shape, setting)


CONTENDERS: Final[Mapping[str, Contender]] = {
    "clairvoyant": Contender(_clairvoyant, (*CAREFUL, *PRICES[::-1]), PRICES[-1]),
    "hindsight": Contender(_alone(Hindsight), HEADROOMS, 1.3, tick_s=5, age_s=2),
    "tidegate": Contender(
        _alone(lambda shape, _: Tidegate(shape)), (DEFAULT,), DEFAULT, tick_s=1, age_s=2
    ),
    "tidegate_15s": Contender(_alone(lambda shape, _: Tidegate(shape)), (DEFAULT,), DEFAULT),
    "tidegate_keda": Contender(
        _alone(lambda shape, _: ThroughKeda(shape)), (DEFAULT,), DEFAULT, tick_s=1, age_s=2
    ),
    **{
        name: Contender(_alone(peer.make), peer.settings, peer.usual)
        for name, peer in PEERS.items()
    },
}


def entries(paths: Iterable[Path], contenders: Iterable[str]) -> Iterator[Entry]:
    """Every run, those of a trace one after the other, the usual setting first."""
    for path in paths:
        for name in contenders:
            who = CONTENDERS[name]
            for setting in sorted(who.settings, key=lambda setting: setting != who.usual):
                for cold_start_s in COLD_STARTS_S:
                    yield Entry(str(path), cold_start_s, name, setting)
