"""Random situations, also absurd ones: many at once, for promises that must hold in each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from autoscaler.mate import Mate
from autoscaler.scheduled import Scheduled
from autoscaler.situation import Allotment, Block, Order, Situation

Column = npt.NDArray[Any]
Draw = Callable[[np.random.Generator, int], Column]
NOON: Final = 1_800_000_000_000_000


def _whole(below: int) -> Draw:
    return lambda rng, n: rng.integers(0, below, n)


def _far(usual: float) -> Draw:
    """From nothing to a thousand times the usual; a fifth is nothing at all."""
    return lambda rng, n: usual * 10 ** rng.uniform(-3, 3, n) * (rng.random(n) > 0.2)


def _sometimes(share: float) -> Draw:
    return lambda rng, n: rng.random(n) < share


def _one_of(*values: object) -> Draw:
    return lambda rng, n: np.array(values, dtype=object)[rng.integers(0, len(values), n)]


DRAWN: Final[Mapping[str, Draw]] = {
    "standing": _whole(40),
    "ready": _whole(40),
    "starting": _whole(10),
    "pending_s": _far(100.0),
    "lead_s": _far(60.0),
    "low": _whole(8),
    "slots": lambda rng, n: rng.integers(1, 40, n),
    "demand": _far(30.0),
    "upper": _far(60.0),
    "kept": _far(100.0),
    "in_flight": _far(30.0),
    "queued": _far(3.0),
    "glimpsed": _far(30.0),
    "service_s": _far(5.0),
    "slo_queue_s": lambda rng, n: 10 ** rng.uniform(-2, 3, n),
    "missed": _whole(3),
    "data_age_s": _one_of(0.0, 2.0, 5.0, 5.1, 600.0, 1e9),
    "stalled": _sometimes(0.1),
    "highest_recent": _whole(50),
    "watched_s": _far(300.0),
    "scale_down_after_s": _one_of(0.0, 25.0, 100.0, 300.0),
    "idle_s": _far(100.0),
    "zero_after_starts": _one_of(0.0, 10.0),
    "gpus_per_replica": _one_of(1, 2, 8),
    "gpus_ordered": _whole(60),
    "gpus_per_hour": lambda rng, n: rng.integers(1, 100, n),
    "failed_starts": _one_of(0, 0, 0, 0, 1, 2, 3),
    "fruitless": _one_of(*[""] * 6, "the last ones did not help"),
    "suspects": _one_of((), (), ("eve",)),
    "explore_s": _one_of(0.0, 0.0, 60.0),
    "exploring_s": _one_of(0.0, 10.0, 100.0),
    "rested_s": _one_of(0.0, 5_000.0),
    "ladder": _one_of("shadow", "recommend", "floor", "full", "full", "full"),
    "dry_run": _sometimes(0.1),
}
"""Field of a situation -> how it is drawn."""


def any_situations(seed: int, count: int) -> Iterator[Situation]:
    rng = np.random.default_rng(seed)
    columns = {name: draw(rng, count).tolist() for name, draw in DRAWN.items()}
    extras = rng.integers(0, 40, (count, 6)).tolist()
    for *values, extra in zip(*columns.values(), extras, strict=True):
        drawn = dict(zip(columns, values, strict=True))
        yield Situation(pool="codex", now_us=NOON, **{**drawn, **_extras(drawn, extra)})


NOTHING: Final = dict.fromkeys(
    ("low", "upper", "kept", "in_flight", "queued", "glimpsed", "highest_recent"), 0
)
"""A pool of which nothing is asked, and that may go."""


def _extras(drawn: Mapping[str, Any], extra: Sequence[int]) -> Mapping[str, Any]:
    """What depends on something else, or is not there at all most of the time."""
    above, kind, open_s, asked, given, share = extra
    scheduled = Scheduled(low=open_s // 2, high=given or None, slots=None, why="a schedule")
    order = Order(kind="override", replicas=asked, actor="ann")
    quiet = NOTHING if kind in {20, 21} else {}
    return quiet | {
        "high": max(1, drawn["low"] + above),
        "suspect_demand": drawn["upper"] * share / 40,
        "blocks": (Block(incident="INC-7", open_s=60.0 * open_s),) if open_s < 20 else (),
        "scheduled": scheduled if 5 < kind < 12 else None,
        "order": order if kind < 6 else None,
        "mate": Mate(pool="write", role="decode", takes_per_s=given, sends_per_s=asked)
        if share < 10
        else None,
        "allotment": Allotment(asked=asked, replicas=given) if kind > 30 else None,
    }
