"""Starts that took too long in, how many replicas of a claim are doubtful out."""

from typing import Final

from autoscaler.situation import Situation
from streams.clock import SECOND_US

HOLDS_S: Final = 300
"""So long after a start took too long, GPUs for more of them go to others first."""


class Doubt:
    """Of one pool: there is a quota, a stock is out, or a node does not come.

    What has been ready since is not doubtful; the rest of a claim is, for five minutes.
    """

    def __init__(self) -> None:
        self._come = self._until_us = 0

    def see(self, situation: Situation) -> None:
        if situation.overdue:
            self._come = situation.standing - situation.overdue
            self._until_us = situation.now_us + HOLDS_S * SECOND_US
        self._come = max(self._come, situation.ready)

    def of(self, replicas: int, now_us: int) -> int:
        """How many of so many replicas are not to be counted on."""
        return max(0, replicas - self._come) if now_us < self._until_us else 0
