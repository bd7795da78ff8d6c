"""One pool as the planner knows it: what came in, what was learned, the situation at a moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from autoscaler.budget import Budget
from autoscaler.comparison import DayByDay
from autoscaler.deadlines import Backlog
from autoscaler.demand import DemandMeter, Glimpse, PoolSecond
from autoscaler.explore import Exploration
from autoscaler.fleet import terms_of
from autoscaler.growth import GrowthWatch
from autoscaler.highest import Highest
from autoscaler.idle import Idle
from autoscaler.legs import Leg
from autoscaler.orders import Orders
from autoscaler.outlook import Outlook
from autoscaler.replica_memory import ReplicaMemory
from autoscaler.replica_seconds import ReplicaSecond
from autoscaler.schedules.calendar import NOTHING_SCHEDULED, Calendar, Moment
from autoscaler.settings import ScalingSettings
from autoscaler.situation import Block, Order, Situation
from model_backend.settings import PoolSettings
from streams.clock import SECOND_US
from streams.schemas.scaling import Decision, Ladder, PoolStatus, ReplicaStatus
from streams.schemas.telemetry import Change

PIPELINE_S: Final = 4.0
"""From the end of a window until a decision made from it reaches the driver."""
ORDER_ON_ITS_WAY_S: Final = 10.0
"""So long after a decision, the driver may still speak of the time before it."""
GAP_S: Final = 10.0
"""A longer gap in the figures, and the pool counts as watched from its end on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What concerns a pool but is not learned from its own figures."""

    ladder: Ladder
    low: int
    high: int
    order: Order | None = None
    blocks: tuple[Block, ...] = ()
    suspects: tuple[str, ...] = ()
    stalled: bool = False
    calendar: Calendar = NOTHING_SCHEDULED


class PoolMemory:
    """Learns from each second and each status; ``situation`` changes nothing."""

    def __init__(
        self, pool: PoolSettings, scaling: ScalingSettings, leg: Leg | None = None
    ) -> None:
        self._pool = pool
        self._scaling = scaling
        self.status: PoolStatus | None = None
        self._leg = leg
        """Of the two that requests go through, if they go through two."""
        self._meter = DemandMeter()
        self._outlook = Outlook(
            slo_queue_s=pool.longest_wait_s,
            miss_budget_ratio=scaling.miss_budget_ratio / (2 if leg else 1),
            sleeps=pool.max_asleep > 0,
        )
        self.replica = ReplicaMemory(pool.start_delay_s)
        self._growth = GrowthWatch()
        self.days = DayByDay()
        self._orders = Orders()
        self._proposals = Highest(round(scaling.scale_down_after_s * SECOND_US))
        self._told: tuple[int, int] | None = None
        self._watched_since_us: int | None = None
        self._gauged_us: int | None = None
        self._glimpse = Glimpse()
        self._exploration = Exploration()
        self._idle = Idle()
        self._backlog = Backlog(pool.deadline_s)
        self._missed = 0
        self._unusual = False
        """By a schedule, demand is other than usual."""

    # What comes in

    def see_status(self, status: PoolStatus) -> None:
        self.status = status
        if status.start_delay_s > 0:
            self.replica.lead.prior_s = status.start_delay_s
        self.days.begin(status.ready)

    def see_replica(self, name: str, replica: ReplicaStatus | None) -> None:
        """None: it is forgotten by its driver."""
        self._orders.see(name, replica)
        if replica is not None:
            self.replica.lead.see(replica)

    def see_seconds(self, seconds: Sequence[PoolSecond], *, trusted: bool) -> None:
        """New final windows; nothing is learned of serving times while they are not trusted."""
        ready = self.status.ready if self.status else 0
        seconds = self._own(seconds)
        for second in seconds:
            second.ready = ready
        self._idle.see(seconds)
        for second in self._meter.add(seconds):
            self._missed += second.missed
            if self._pool.deadline_s:
                self._backlog.see(second)
            if second.gauged:
                self._watch(second.window_us + SECOND_US)
            self._outlook.see(second, self.slots, trusted=trusted, scheduled=self._unusual)
            if trusted:
                self.replica.see(second)
            self._growth.see([second])
            if self.status is not None and self._outlook.service.known:
                self._compare(second, self.status)

    def see_replica_seconds(self, rows: Sequence[ReplicaSecond], *, usual: bool) -> None:
        """What engines said; usual: nothing is wrong with the pool but that much is asked of it."""
        self._idle.see_replicas(rows)
        if self._leg:
            self._leg.see_replicas(rows)
        self.replica.see_replicas(rows, self._orders.replicas, slots=self.slots, usual=usual)

    def see_change(self, change: Change) -> None:
        if self.replica.see_change(change):
            self._outlook.service.doubt()

    def glimpse(self, seconds: Sequence[PoolSecond]) -> None:
        """Deltas of windows that are not final: nothing is learned, only what is held counts."""
        seconds = self._own(seconds)
        self._idle.see(seconds)
        self._glimpse.see(seconds)

    def _own(self, seconds: Sequence[PoolSecond]) -> Sequence[PoolSecond]:
        return [self._leg.part(second) for second in seconds] if self._leg else seconds

    @property
    def budget(self) -> Budget:
        """Of misses; half of one that is shared, and what its mate leaves of the other half."""
        return self._outlook.budget

    def _watch(self, end_us: int) -> None:
        if self._gauged_us is None or end_us - self._gauged_us > GAP_S * SECOND_US:
            self._watched_since_us = end_us
        self._gauged_us = end_us

    # What is known

    @property
    def slots(self) -> int:
        return (self.status.slots_per_replica if self.status else 0) or self._pool.slots

    def _service_s(self) -> float:
        return self._outlook.service_s(self.slots)

    def _offered(self, suspects: Sequence[str] = ()) -> float:
        """Work offered in slots; before anything finished, what the pool holds."""
        if self._outlook.service.known:
            return self._meter.offered(self._service_s(), self._horizon_s(), suspects)
        return sum(self._meter.held())

    def _compare(self, second: PoolSecond, status: PoolStatus) -> None:
        """With what others would have done, or what would have been done as planned."""
        terms = terms_of(
            self._pool,
            self._scaling,
            slots=self.slots,
            service_s=self._service_s(),
            stretch=self._outlook.stretch(second, self.slots),
            lead_s=self.replica.lead_s(),
        )
        self.days.second(second, status, terms, self._orders.gpus_per_replica)

    def situation(self, now_us: int, status: PoolStatus, about: Circumstances) -> Situation:
        """The pool at ``now_us`` (the end of the newest closed interval)."""
        scheduled = about.calendar.at(self._moment(now_us))
        expected = scheduled.slots if scheduled else None
        forecast = self._outlook.forecast(self._horizon_s(), expected or 0.0)
        in_flight, queued = self._meter.held()
        offered = self._offered()
        unsuspected = self._offered(about.suspects) if about.suspects else offered
        urgent = self._backlog.urgent(now_us, service_s=self._service_s(), lead_s=self._horizon_s())
        return Situation(
            cluster=status.cluster,
            pool=status.pool,
            now_us=now_us,
            standing=self._standing(status),
            ready=status.ready,
            starting=status.starting,
            pending_s=self._orders.pending_s(now_us),
            overdue=self._orders.overdue(now_us, self.replica.lead_s()),
            lead_s=self.replica.lead_s(),
            low=about.low,
            high=about.high,
            slots=self.slots,
            demand=offered,
            forecast=forecast,
            quantile=forecast.planned.q,
            upper=forecast.planned.value,
            kept=forecast.kept.value,
            asleep=status.asleep,
            max_asleep=status.max_asleep,
            wake_s=self.replica.wake_s() if status.max_asleep else 0.0,
            upper_far=self._outlook.far(self.replica.lead_s() + PIPELINE_S, expected or 0.0),
            in_flight=in_flight,
            queued=queued,
            glimpsed=self._glimpse.held(now_us, self._gauged_us or 0),
            service_s=self._service_s(),
            region=self.replica.region(now_us),
            mix=self.replica.mix(),
            identified=self._outlook.service.identified,
            horizon_s=forecast.horizon_s,
            slo_queue_s=self._pool.longest_wait_s,
            deadline_s=self._pool.deadline_s,
            urgent=urgent.slots,
            urgent_jobs=urgent.jobs,
            urgent_within_s=urgent.within_s,
            missed=self._missed,
            miss_budget_ratio=self._scaling.miss_budget_ratio,
            data_age_s=_age_s(self._gauged_us, now_us),
            stalled=about.stalled,
            highest_recent=int(self._proposals.since(now_us)),
            watched_s=self._watched_s(now_us),
            scale_down_after_s=self._scaling.scale_down_after_s,
            idle_s=min(self._idle.lasts_s(now_us), self._watched_s(now_us)),
            zero_after_starts=self._scaling.zero_after_starts,
            gpus_per_replica=self._orders.gpus_per_replica,
            gpus_ordered=self._orders.gpus_ordered(now_us),
            gpus_per_hour=self._scaling.gpus_per_hour,
            failed_starts=self._orders.failed_lately(now_us),
            fruitless=self._growth.fruitless(now_us),
            suspects=about.suspects,
            suspect_demand=max(0.0, offered - unsuspected),
            blocks=about.blocks,
            block_expires_s=self._scaling.block_expires_s,
            explore_s=self._scaling.explore_s,
            exploring_s=self._exploration.lasts_s(now_us),
            rested_s=self._exploration.rested_s(now_us),
            scheduled=scheduled,
            order=about.order,
            ladder=about.ladder,
            dry_run=self._scaling.dry_run,
        )

    def _standing(self, status: PoolStatus) -> int:
        """What the driver was told; newer than its status while an order is on its way."""
        if self._told is not None:
            size, since_us = self._told
            if status.at_us < since_us + ORDER_ON_ITS_WAY_S * SECOND_US:
                return size
        return status.desired

    def _horizon_s(self) -> float:
        sleeps = self.status is not None and self.status.max_asleep
        return (self.replica.wake_s() if sleeps else self.replica.lead_s()) + PIPELINE_S

    def _ahead_s(self) -> float:
        """Replicas ordered so long before are there, if none starts slower than any did lately."""
        return max(self._horizon_s(), self.replica.lead.slowest_s() + PIPELINE_S)

    def _moment(self, now_us: int) -> Moment:
        return Moment(
            now_us=now_us,
            ahead_s=self._ahead_s(),
            service_s=self._service_s(),
            usual=self._outlook.usual.at,
        )

    def _watched_s(self, now_us: int) -> float:
        return _age_s(self._watched_since_us, now_us) if self._watched_since_us else 0.0

    # What was decided

    def decided(self, decision: Decision) -> Decision:
        """Remember it; the reactive policy's figures are filled in."""
        self._missed = 0
        self._unusual = "scheduled_slots" in decision.inputs
        self._exploration.see(decision)
        self._proposals.see(decision.at_us, decision.proposed)
        standing = int(decision.inputs["standing"])
        if decision.desired != standing:
            self._told = (decision.desired, decision.at_us)
        if decision.desired > standing:
            self._orders.order(decision.desired - standing, decision.at_us)
        return self.days.decided(decision)


def _age_s(since_us: int | None, now_us: int) -> float:
    return 1e9 if since_us is None else max(0.0, (now_us - since_us) / SECOND_US)
