"""Knative's pod autoscaler on concurrency."""

import math
from typing import Final

from autoscaler.backtest.policy import Seen, Shape

STABLE_S: Final = 60
PANIC_S: Final = 6
PANIC_RATIO: Final = 2.0
UP_RATE: Final = 1_000
DOWN_RATE: Final = 2


class Knative:
    """``replicas = ceil(concurrency over 60 s / (target · slots))``; in panic, never down.

    Panic begins when the last 6 s would need twice the ready replicas and ends 60 s after it last
    did. Source: knative/serving@00a4a55, pkg/autoscaler/scaling/autoscaler.go; defaults of
    config-autoscaler (container-concurrency-target-percentage 70, scale-down-delay 0).
    """

    def __init__(self, shape: Shape, target_ratio: float) -> None:
        self._target = target_ratio * shape.slots
        self._panicked_s: int | None = None
        self._panic_replicas = 0

    def decide(self, seen: Seen) -> int:
        ready = max(1, seen.ready)
        stable, panic = self._needed(seen, STABLE_S), self._needed(seen, PANIC_S)
        least, most = ready // DOWN_RATE, UP_RATE * ready
        wanted = min(max(stable, least), most)
        self._panic(seen.now_s, panicking=panic / ready >= PANIC_RATIO)
        if self._panicked_s is None:
            return max(1, wanted)
        self._panic_replicas = max(self._panic_replicas, wanted, min(max(panic, least), most))
        return self._panic_replicas

    def _needed(self, seen: Seen, over_s: int) -> int:
        seconds = seen.seconds
        held = seen.mean(seconds.in_flight, over_s) + seen.mean(seconds.queued, over_s)
        return math.ceil(held / self._target)

    def _panic(self, now_s: int, *, panicking: bool) -> None:
        if panicking:
            self._panicked_s = now_s
        elif self._panicked_s is not None and self._panicked_s + STABLE_S < now_s:
            self._panicked_s, self._panic_replicas = None, 0
