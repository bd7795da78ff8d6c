"""One run of one contender of `tidegate bench scale`, and all of them in order."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from time import process_time
from typing import Final, Literal, NamedTuple

from autoscaler.backtest import batched
from autoscaler.backtest.contenders import CONTENDERS, blocks_of, loaded
from autoscaler.backtest.outcome import Outcome, outcome
from autoscaler.backtest.policy import SLO_QUEUE_S, Policy, Seen, Shape
from autoscaler.backtest.run import Run, run
from autoscaler.backtest.slo import LatencySlo
from autoscaler.backtest.trace import Trace
from streams.errors import InvalidParameterError

Simulator = Literal["slots", "batching"]
COLD_STARTS_S: Final = (30, 120, 300)
MISSED: Final = 0.001
"""How much a pool that never changes may miss, to be called large enough."""
DOUBLED: Final = 3
"""So often, for replicas that batch carry less than their slots promise."""
SLOWED: Final = 2.0
"""An answer in a batch may take so many times as long as alone."""


class Limits(NamedTuple):
    """Replicas a run begins with, and how many it may have."""

    first: int
    high: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One run: who, on what."""

    path: str
    cold_start_s: int
    contender: str
    setting: float
    simulator: Simulator = "slots"


class Static:
    """Never changes."""

    def decide(self, seen: Seen) -> int:
        return seen.ordered


def play(entry: Entry, limits: Limits | None = None) -> Outcome:
    trace, who = loaded(entry.path), CONTENDERS[entry.contender]
    first, high = limits or usual_limits(entry.path, entry.simulator)
    shape = Shape(
        slots=trace.slots,
        cold_start_s=entry.cold_start_s,
        tick_s=who.tick_s,
        age_s=who.age_s,
        high=high,
    )
    return outcome(
        SIMULATORS[entry.simulator](
            trace, shape, lambda shape: who.make(entry.path, shape, entry.setting), first
        )
    )


def play_timed(entry: Entry, limits: Limits | None) -> tuple[Outcome, float]:
    """And the seconds of CPU it took."""
    loaded(entry.path)
    began_s = process_time()
    return play(entry, limits), process_time() - began_s


@lru_cache(maxsize=16)
def usual_limits(path: str, simulator: Simulator = "slots") -> Limits:
    """The fewest that would do without scaling to begin with; at most, that nobody need wait."""
    low, most = 1, int(blocks_of(path).replicas.max())
    for _ in range(DOUBLED):
        if _missed(path, simulator, most) <= MISSED:
            break
        low, most = most + 1, 2 * most
    high = most
    while low < high:
        middle = (low + high) // 2
        enough = _missed(path, simulator, middle) <= MISSED
        low, high = (low, middle) if enough else (middle + 1, high)
    return Limits(low, most)


def _missed(path: str, simulator: Simulator, replicas: int) -> float:
    trace = loaded(path)
    shape = Shape(slots=trace.slots, cold_start_s=0, tick_s=300)
    lived = SIMULATORS[simulator](trace, shape, lambda _: Static(), replicas)
    return outcome(lived).missed_ratio


def _batched(trace: Trace, shape: Shape, make: Callable[[Shape], Policy], first: int) -> Run:
    """Promised is a first token within a second more than alone, and the others at half speed."""
    engine = trace.engine
    if engine is None:
        raise InvalidParameterError("--data", trace.name, "traces that tell what a replica takes")
    step_s = engine.takes_s(0, 1, 0)
    slo = LatencySlo(
        ttft_s=SLO_QUEUE_S + step_s,
        ttft_token_s=engine.prompt_token_s,
        inter_token_s=SLOWED * step_s,
    )
    return batched.run(trace, shape, batched.Service(engine=engine, slo=slo), make, first)[0]


Simulate = Callable[[Trace, Shape, Callable[[Shape], Policy], int], Run]
SIMULATORS: Final[Mapping[Simulator, Simulate]] = {"slots": run, "batching": _batched}


def entries(
    paths: Iterable[Path], contenders: Iterable[str], simulator: Simulator = "slots"
) -> Iterator[Entry]:
    """Every run, those of a trace one after the other, the usual setting first.

    Plans made of a trace are for slots, and left out elsewhere.
    """
    for path in paths:
        for name in contenders:
            who = CONTENDERS[name]
            if who.knows and simulator != "slots":
                continue
            for setting in sorted(who.settings, key=lambda setting: setting != who.usual):
                for cold_start_s in COLD_STARTS_S:
                    yield Entry(str(path), cold_start_s, name, setting, simulator)
