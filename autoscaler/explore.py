"""One replica fewer for a bounded time, so that the others show their limit: only if asked for."""

from typing import Final

from autoscaler.plan import for_backlog, room, whole
from autoscaler.situation import Situation
from streams.clock import SECOND_US
from streams.schemas.scaling import Decision

EVERY_S: Final = 3_600.0
"""At the earliest so long after the last time."""
BUSY_RATIO: Final = 0.8
"""Of the slots of the others: with less to do they would show nothing."""
QUEUED: Final = 0.5
GONE_ON_S: Final = 10.0
"""Decisions further apart than this do not belong to the same time."""


class Exploration:
    """When a pool explored last, by its own decisions."""

    def __init__(self) -> None:
        self._began_us: int | None = None
        self._last_us: int | None = None

    def see(self, decision: Decision) -> None:
        if "explore" in decision.guards:
            if not self.lasts_s(decision.at_us):
                self._began_us = decision.at_us - SECOND_US
            self._last_us = decision.at_us

    def lasts_s(self, now_us: int) -> float:
        """0 if it does not explore."""
        if self._began_us is None or self.rested_s(now_us) > GONE_ON_S:
            return 0.0
        return (now_us - self._began_us) / SECOND_US

    def rested_s(self, now_us: int) -> float:
        """Since it explored last."""
        return EVERY_S if self._last_us is None else (now_us - self._last_us) / SECOND_US


def explored(decision: Decision, situation: Situation) -> int | None:
    """The size to explore at; None where there is no reason to, or it might hurt somebody."""
    lasts_s, standing = situation.exploring_s, situation.standing
    begins = not lasts_s and decision.desired == standing and situation.rested_s >= EVERY_S
    goes_on = 0 < lasts_s < situation.explore_s and decision.desired == standing + 1
    size = decision.desired - 1
    if not situation.explore_s or not (begins or goes_on) or size < max(1, situation.low):
        return None
    unseen = situation.region.value("decode_tokens_per_s") == float("inf")
    return size if unseen and _quiet(situation, size) and _busy_enough(situation, size) else None


def _quiet(situation: Situation, size: int) -> bool:
    """Nobody waits, nothing is in doubt, and what may come until one more is ready has room."""
    hurt = situation.queued > QUEUED or situation.missed or situation.blocks
    in_doubt = (
        situation.stalled
        or situation.suspects
        or situation.failed_starts
        or situation.starting
        or situation.ready != situation.standing
        or situation.service_s <= 0
    )
    fits = for_backlog(situation) <= size and whole(situation.upper / room(situation)) <= size
    return fits and not hurt and not in_doubt


def _busy_enough(situation: Situation, size: int) -> bool:
    return situation.in_flight >= BUSY_RATIO * situation.slots * size
