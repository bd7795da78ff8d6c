"""A situation in, a decision with its reason out."""

from collections.abc import Sequence
from typing import Final

from autoscaler.guards import GUARDS, Guard
from autoscaler.plan import propose
from autoscaler.situation import Situation, situation_of
from streams.codec import decode_record, encode_record
from streams.errors import CorruptMessageError
from streams.schemas.scaling import Decision

OF_ANOTHER_VERSION: Final = (KeyError, TypeError)


def decide(situation: Situation, guards: Sequence[Guard] = GUARDS) -> Decision:
    """What the plan proposes, after each guard in turn had its say."""
    decision = propose(situation)
    for guard in guards:
        decision = guard(decision, situation)
    return decision


def decide_again(decision: Decision) -> Decision:
    """The decision made once more from its own recorded inputs: the same to the byte.

    Carried over is what was recorded beside it: the reactive scaler it is compared with.
    Raises one of OF_ANOTHER_VERSION where other inputs were recorded.
    """
    again = decide(situation_of(decision))
    return again.but(reactive=decision.reactive, reactive_missed=decision.reactive_missed)


def repeats(recorded: bytes) -> bool:
    """Whether a decision as it was written comes out the same to the byte."""
    try:
        return encode_record(decide_again(decode_record(recorded, Decision))) == recorded
    except (CorruptMessageError, *OF_ANOTHER_VERSION):
        return False
