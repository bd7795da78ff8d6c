"""Seconds of a pool in, slots it needed out: demand that no queue and no full replica can hide."""

import math
from typing import Final

from autoscaler.demand import PoolSecond
from autoscaler.trailing import Trailing

SPANS_S: Final = (1, 5, 20, 60)
MAX_PATIENCE: Final = 3.0
"""However patient the SLO, three times the slots is the most that can be asked of a replica."""


class Need:
    """``need = max over spans of mean(held) / (1 + slo / (span - 1 + service time))``.

    *held* is what the pool would hold if nobody had to wait. While nobody waits too long that is
    what it does hold. In a queue, while requests are shed or gauges are missing, it is carried on
    from arrivals: each fills a slot for the serving time that finished requests had. So it is after
    a queue until both agree: those who waited are still being served.

    An excess that lasts shorter than the SLO lets requests wait needs no slots of its own.
    """

    def __init__(self) -> None:
        self._held = 0.0
        self._hidden = False
        self._row = Trailing(max(SPANS_S))

    def see(
        self, second: PoolSecond, *, service_s: float, full: float, slo_queue_s: float
    ) -> float:
        """service_s: in a full replica, 0 if unknown; full: how much longer that is than now."""
        held = second.in_flight * full + second.queued
        if service_s > 0:
            stays = math.exp(-1 / service_s)
            carried = self._held * stays + second.arrived * service_s * (1 - stays)
            self._hidden = _hides(second, service_s, slo_queue_s) or (
                self._hidden and held > carried
            )
            held = carried if self._hidden else held
        self._held = held
        self._row.see(held)
        if service_s <= 0:
            return held
        return max(
            self._row.mean(span) / patience(span - 1 + service_s, slo_queue_s) for span in SPANS_S
        )


def _hides(second: PoolSecond, service_s: float, slo_queue_s: float) -> bool:
    too_long = second.queued * service_s > slo_queue_s * max(1.0, second.in_flight)
    return too_long or second.shed > 0 or not second.gauged


def patience(lasting_s: float, slo_queue_s: float) -> float:
    """What may be asked at once of a slot that is asked for ``lasting_s``, of the slot itself.

    >>> patience(10.0, slo_queue_s=1.0)
    1.1
    """
    return min(MAX_PATIENCE, 1 + slo_queue_s / lasting_s)
