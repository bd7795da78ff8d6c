"""What is done to the workers, and when: at random, seeded, every kind at least once."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np

from tests.chaos.crew import Crew
from tests.services import Kafka

Kind = Literal["kill", "freeze", "join", "leave", "broker"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
OFTEN: Final[tuple[Kind, ...]] = ("kill", "kill", "freeze", "join", "leave")
"""What further ones are drawn from."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    at_s: float
    kind: Kind
    stage: str
    after_s: float
    """How long a place stays empty, how long past its session a worker stays frozen."""


def drawn(
    seed: int, count: int, seconds: float, stages: Sequence[str], kinds: Sequence[Kind] = KINDS
) -> list[Disturbance]:
    """Spread over the run; each of ``kinds`` comes once before any comes again."""
    rng = np.random.default_rng([seed, count])
    first = [kinds[at] for at in rng.permutation(len(kinds))]
    again = [kind for kind in OFTEN if kind in kinds]
    rest = [again[int(rng.integers(len(again)))] for _ in range(max(0, count - len(first)))]
    space_s = seconds / count
    return [
        Disturbance(
            at_s=space_s * (number + float(rng.uniform(0.2, 0.8))),
            kind=kind,
            stage=stages[int(rng.integers(len(stages)))],
            after_s=float(rng.uniform(0, 3)),
        )
        for number, kind in enumerate([*first, *rest][:count])
    ]


async def disturb(one: Disturbance, crew: Crew, kafka: Kafka, session_s: float) -> None:
    """Do it, and see to it that somebody works again afterwards."""
    here = crew.awake(one.stage)
    match one.kind:
        case "broker":
            await asyncio.to_thread(kafka.stop)
            await asyncio.to_thread(kafka.start)
        case "kill" if here:
            crew.kill(here[0])
            await asyncio.sleep(one.after_s)
            crew.join(one.stage)
        case "freeze" if here:
            crew.freeze(here[0])
            await asyncio.sleep(session_s + 1 + one.after_s)
            crew.wake(here[0])
        case "leave" if len(here) > 1:
            await asyncio.to_thread(crew.leave, here[0])
        case _:
            crew.join(one.stage)
