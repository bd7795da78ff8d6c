"""A situation in, a decision with its reason out."""

from collections.abc import Sequence

from autoscaler.guards import GUARDS, Guard
from autoscaler.plan import propose
from autoscaler.situation import Situation, situation_of
from streams.schemas.scaling import Decision


def decide(situation: Situation, guards: Sequence[Guard] = GUARDS) -> Decision:
    """What the plan proposes, after each guard in turn had its say."""
    decision = propose(situation)
    for guard in guards:
        decision = guard(decision, situation)
    return decision


def decide_again(decision: Decision) -> Decision:
    """The decision made once more from its own recorded inputs."""
    return decide(situation_of(decision))
