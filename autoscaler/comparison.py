"""Seconds of a pool and what was planned in, its days under both scalers out. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from autoscaler.demand import PoolSecond
from autoscaler.fleet import Fleet, Terms
from autoscaler.shadow import Reactive
from autoscaler.trailing import Trailing
from streams.clock import SECOND_US
from streams.schemas.comparison import Comparison, Side
from streams.schemas.scaling import Decision, Ladder, PoolStatus

DAY_S: Final = 86_400
TOLD_EVERY_S: Final = 3_600
WORST_S: Final = 600
HELD_OVER_S: Final = 60
LEAST_ARRIVED: Final = 20
"""Ten minutes with fewer requests say little by their share."""


@dataclass(slots=True)
class _Side:
    gpu_s: float = 0.0
    missed: float = 0.0
    stretch_missed: float = 0.0
    """In these ten minutes."""
    worst_at_s: int = 0
    worst_ratio: float = 0.0

    def add(self, gpus: int, missed: float) -> None:
        self.gpu_s += gpus
        self.missed += missed
        self.stretch_missed += missed

    def end_stretch(self, at_s: int, arrived: int) -> None:
        ratio = self.stretch_missed / arrived if arrived >= LEAST_ARRIVED else 0.0
        if ratio > self.worst_ratio:
            self.worst_at_s, self.worst_ratio = at_s, ratio
        self.stretch_missed = 0.0

    def told(self) -> Side:
        return Side(
            gpu_hours=round(self.gpu_s / 3_600, 3),
            missed=round(self.missed, 1),
            worst_at_us=self.worst_at_s * SECOND_US,
            worst_missed_ratio=round(self.worst_ratio, 4),
        )


@dataclass(slots=True)
class _Day:
    number: int
    seconds: int = 0
    told: int = 0
    """So many of them."""
    arrived: int = 0
    missed: int = 0
    stretch: int = 0
    stretch_arrived: int = 0
    present: _Side = field(default_factory=_Side)
    planned: _Side = field(default_factory=_Side)

    def end_stretch(self) -> None:
        for side in (self.present, self.planned):
            side.end_stretch(self.stretch * WORST_S, self.stretch_arrived)
        self.stretch_arrived = 0


class DayByDay:
    """Follows the sizes that were and those that were planned, each with a ``Fleet`` of its own.

    The plan is made of what was seen under the present scaler, and does not see its own effect.
    """

    def __init__(self) -> None:
        self._reactive: Reactive | None = None
        self._wanted: int | None = None
        self._present: Fleet | None = None
        self._planned: Fleet | None = None
        self._in_flight, self._ended = Trailing(HELD_OVER_S), Trailing(HELD_OVER_S)
        self._day = _Day(0)
        self._hour = 0
        """In which today was told last."""
        self._ladder: Ladder = "shadow"
        self._over: list[_Day] = []

    def begin(self, ready: int) -> None:
        """The size at which the reactive scaler begins; told again, it changes nothing."""
        if self._reactive is None and ready:
            self._reactive = Reactive(ready)

    def decided(self, decision: Decision) -> Decision:
        """What is planned from now on; the reactive scaler's figures are filled in.

        Days are not compared while the planner acts itself.
        """
        acts = decision.ladder in {"floor", "full"} and not decision.dry_run
        self._wanted, self._ladder = (None if acts else decision.wanted), decision.ladder
        if acts:
            self._present = self._planned = None
        if self._reactive is None:
            return decision
        return decision.but(
            reactive=self._reactive.wanted, reactive_missed=self._reactive.take_missed()
        )

    def second(self, second: PoolSecond, status: PoolStatus, terms: Terms, gpus: int) -> None:
        """gpus: of a replica."""
        end_us = second.window_us + SECOND_US
        held_s = terms.stretch * self._held_s(second)
        terms = replace(terms, service_s=held_s or terms.service_s)
        if self._reactive is not None:
            self._reactive.second(end_us, second.arrived, terms)
        if self._wanted is None:
            return
        if self._present is None or self._planned is None:
            self._present, self._planned = Fleet(status.ready), Fleet(status.ready)
        self._turn(second.window_us // SECOND_US)
        self._present.ready = status.ready
        self._planned.order(end_us, self._wanted, terms.lead_s)
        size, day = status.ready + status.starting + status.draining, self._day
        day.present.add(size * gpus, self._present.second(end_us, second.arrived, terms))
        missed = self._planned.second(end_us, second.arrived, terms)
        day.planned.add(self._planned.size * gpus, missed)
        day.seconds += 1
        day.arrived += second.arrived
        day.stretch_arrived += second.arrived
        day.missed += second.missed

    def _held_s(self, second: PoolSecond) -> float:
        """Seconds for which a request holds its slot at present, by Little's law; 0 if unknown."""
        if second.gauged:
            self._in_flight.see(second.in_flight)
            self._ended.see(second.finished + second.failed + second.cancelled)
        ended_per_s = self._ended.mean(HELD_OVER_S)
        return self._in_flight.mean(HELD_OVER_S) / ended_per_s if ended_per_s else 0.0

    def _turn(self, at_s: int) -> None:
        if at_s // WORST_S != self._day.stretch:
            self._day.end_stretch()
            if at_s // DAY_S != self._day.number:
                self._over += [self._day] if self._day.seconds else []
                self._day = _Day(at_s // DAY_S)
            self._day.stretch = at_s // WORST_S

    def told(self, cluster: str, pool: str, now_us: int) -> Sequence[Comparison]:
        """Days that are over, once; and today, every hour."""
        days, self._over = self._over, []
        hour = now_us // SECOND_US // TOLD_EVERY_S
        if hour != self._hour and self._day.seconds > self._day.told:
            self._hour, self._day.told = hour, self._day.seconds
            days = [*days, self._day]
        return [self._comparison(cluster, pool, day, now_us) for day in days]

    def _comparison(self, cluster: str, pool: str, day: _Day, now_us: int) -> Comparison:
        name = f"{datetime.fromtimestamp(day.number * DAY_S, UTC):%Y-%m-%d}"
        made = Comparison(
            id=f"{cluster}/{pool}/{name}",
            at_us=min(now_us, (day.number + 1) * DAY_S * SECOND_US),
            cluster=cluster,
            pool=pool,
            day=name,
            ladder=self._ladder,
            hours=round(day.seconds / 3_600, 2),
            arrived=day.arrived,
            missed=day.missed,
            present=day.present.told(),
            planned=day.planned.told(),
            sentence="",
        )
        return made.but(sentence=_sentence(made))


def _sentence(day: Comparison) -> str:
    """`on 2026-11-25 (24 h) the plan would have used 41.2 instead of 60 GPU-hours (-31 %), …`."""
    ours, theirs = day.planned, day.present
    saved = 100 * (ours.gpu_hours / theirs.gpu_hours - 1) if theirs.gpu_hours else 0.0
    arrived = max(1, day.arrived)
    return (
        f"on {day.day} ({day.hours:g} h) the plan would have used {ours.gpu_hours:.4g} instead of "
        f"{theirs.gpu_hours:.4g} GPU-hours ({saved:+.0f} %) and missed about "
        f"{ours.missed / arrived:.2%} instead of {theirs.missed / arrived:.2%} of {day.arrived:,} "
        f"requests; in its worst ten minutes {_worst(ours)} instead of {_worst(theirs)}"
    )


def _worst(side: Side) -> str:
    if not side.worst_at_us:
        return "none"
    at = datetime.fromtimestamp(side.worst_at_us // SECOND_US, UTC)
    return f"{side.worst_missed_ratio:.0%} (from {at:%H:%M} UTC)"
