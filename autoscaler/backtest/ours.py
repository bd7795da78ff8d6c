"""Tidegate itself in a backtest: the same code that decides live, with nothing set per pool."""

from typing import Final

from autoscaler.backtest.peers.behaviour import Behaviour
from autoscaler.backtest.peers.hpa import TOLERANCE
from autoscaler.backtest.policy import Seen, Shape
from autoscaler.decide import decide
from autoscaler.demand import PoolSecond
from autoscaler.lead_time import WAKE
from autoscaler.pool_memory import Circumstances, PoolMemory
from autoscaler.settings import ScalingSettings
from model_backend.settings import PoolSettings
from streams.clock import SECOND_US
from streams.schemas.scaling import PoolStatus, ReplicaStatus

NAME: Final = "backtest"
STREAMED_S: Final = 2
SYNC_S: Final = 15
"""How often an HPA looks."""


class Tidegate:
    """Feeds each second to the memory that the planner keeps of a pool, and asks it to decide.

    At the top of the ladder, with lead and wake time known: a pool that has been run for a while.
    The guard on GPUs ordered within an hour is left open, since no policy here has one.

    Where figures come late it decides as of their time, and a replica comes so much later: live,
    the guard on old figures would keep such a pool from ever shrinking.
    """

    def __init__(self, shape: Shape, miss_budget_ratio: float) -> None:
        pool = PoolSettings(
            name=NAME,
            service=NAME,
            model=NAME,
            min_replicas=shape.low,
            initial_replicas=shape.low,
            max_replicas=shape.high,
            slots=shape.slots,
            slo_queue_s=shape.slo_queue_s,
            role="job" if shape.deadline_s else "unified",
            deadline_s=shape.deadline_s,
            max_asleep=shape.max_asleep,
        )
        scaling = ScalingSettings(
            ladder="full",
            dry_run=False,
            gpus_per_hour=1_000_000,
            miss_budget_ratio=miss_budget_ratio,
        )
        self._memory = PoolMemory(pool, scaling)
        self._about = Circumstances(ladder="full", low=shape.low, high=shape.high)
        self._seen_s = 0
        if shape.max_asleep:
            self._memory.replica.lead.see(_woken(shape))

    def decide(self, seen: Seen) -> int:
        status = _status(seen)
        self._memory.see_status(status)
        seconds = [_second(seen, at) for at in range(self._seen_s, seen.until_s)]
        self._memory.see_seconds(seconds, trusted=True)
        self._seen_s = seen.until_s
        now_us = (seen.until_s + _fresh_s(seen.shape)) * SECOND_US
        situation = self._memory.situation(now_us, status, self._about)
        return self._memory.decided(decide(situation)).desired


class ThroughKeda:
    """The same, but carried out by an HPA that asks KEDA every 15 s, with an HPA's caution."""

    def __init__(self, shape: Shape, miss_budget_ratio: float) -> None:
        self._ours = Tidegate(shape, miss_budget_ratio)
        self._behaviour = Behaviour()

    def decide(self, seen: Seen) -> int:
        wanted = self._ours.decide(seen)
        if seen.now_s % SYNC_S:
            return seen.ordered
        if abs(1 - wanted / seen.ordered) <= TOLERANCE:
            wanted = seen.ordered
        return self._behaviour(seen.now_s, seen.ordered, wanted)


def _status(seen: Seen) -> PoolStatus:
    return PoolStatus(
        pool=NAME,
        service=NAME,
        model=NAME,
        at_us=seen.now_s * SECOND_US,
        desired=seen.ordered,
        ready=seen.ready,
        starting=seen.starting,
        asleep=seen.asleep,
        max_asleep=seen.shape.max_asleep,
        min_replicas=seen.shape.low,
        max_replicas=seen.shape.high,
        start_delay_s=seen.shape.cold_start_s + _late_s(seen.shape),
        slots_per_replica=seen.shape.slots,
        slo_queue_s=seen.shape.slo_queue_s,
    )


def _woken(shape: Shape) -> ReplicaStatus:
    """One that slept before the trace began: how long that takes is known, as a start is."""
    took_s = shape.wake_s + _late_s(shape)
    return ReplicaStatus(
        pool=NAME,
        replica=NAME,
        state="ready",
        since_us=1,
        at_us=1,
        ordered_at_us=1,
        phases_s={WAKE: took_s},
    )


def _fresh_s(shape: Shape) -> int:
    """How old figures are where the stream brings them."""
    return min(shape.age_s, STREAMED_S)


def _late_s(shape: Shape) -> int:
    """How much later a need is seen than by the stream and its ticks of a second."""
    return shape.age_s - _fresh_s(shape) + shape.tick_s - 1


def _second(seen: Seen, at: int) -> PoolSecond:
    seconds = seen.seconds
    return PoolSecond(
        window_us=at * SECOND_US,
        arrived=int(seconds.arrived[at]),
        finished=int(seconds.finished[at]),
        late=int(seconds.late[at]),
        queued=float(seconds.queued[at]),
        in_flight=float(seconds.in_flight[at]),
        gauged=True,
        served_n=int(seconds.finished[at]),
        served_s=float(seconds.served_s[at]),
        ready=int(seconds.ready[at]),
    )
