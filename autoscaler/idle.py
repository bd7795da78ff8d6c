"""Seconds of a pool in; how long nothing was asked of it, and why its last replica stays, out."""

from collections.abc import Iterable

from autoscaler.demand import PoolSecond
from autoscaler.replica_seconds import ReplicaSecond
from autoscaler.situation import Situation
from streams.clock import SECOND_US


class Idle:
    """When a pool had something to do last, by the word of a gateway, early or final, or an engine.

    An engine may be asked by others than our gateways: it does not go behind their backs.
    """

    def __init__(self) -> None:
        self._busy_us = 0

    def see(self, seconds: Iterable[PoolSecond]) -> None:
        for second in seconds:
            ended = second.finished + second.failed + second.cancelled + second.shed
            if second.arrived or ended or second.queued or second.in_flight:
                self._busy(second.window_us)

    def see_replicas(self, rows: Iterable[ReplicaSecond]) -> None:
        for row in rows:
            if row.running or row.waiting or row.output_tokens or row.prompt_tokens:
                self._busy(row.window_us)

    def lasts_s(self, now_us: int) -> float:
        return max(0.0, (now_us - self._busy_us) / SECOND_US)

    def _busy(self, window_us: int) -> None:
        self._busy_us = max(self._busy_us, window_us + SECOND_US)


def break_even_s(situation: Situation) -> float:
    """So long idle, a replica has cost what it costs to start one anew while somebody waits.

    Whoever waits so long before he gives up something he may need any time pays at most twice what
    he would if he knew the future, whatever comes (the ski rental problem).
    """
    return situation.zero_after_starts * (situation.wake_s or situation.lead_s)


def why_not_zero(situation: Situation) -> str:
    """What the last replica is needed for; empty if it may go."""
    held = max(situation.in_flight + situation.queued, situation.glimpsed)
    if held:
        return f"{held:.3g} in flight or queued, the last replica stays"
    if situation.blocks:
        return f"{situation.blocks[0].incident} is open, the last replica stays"
    idle_s, least_s = situation.idle_s, break_even_s(situation)
    if idle_s < least_s:
        return f"idle for {idle_s:.0f} s, and up to {least_s:.0f} s one costs less than a start"
    return ""
